// The long short-term memory with or without peepholes. Columns of `gates`: input, forget, candidate, output gate,
// and the cell; with coupled gates no input gate, which is 1 - forget.
#pragma once
#include "normalise.h"

namespace gatebench {

template <bool kCoupled>
struct Lstm {
    static constexpr int kGates = kCoupled ? 3 : 4, kInputs = kGates, kColumns = kGates, kSaved = kGates + 1;
    static constexpr int kRecurrent = 0, kNorms = 1, kForget = kCoupled ? 0 : 1;
    static constexpr int kOrder[4] = {0, 1, 2, 3};
    static constexpr bool kCell = true;

    template <class T>
    static void forward(const Layer<T>& w, const Step<T>& s) {
        const long H = w.blocks;
        contribute<T>(w, s, s.gates, 0, kGates, see(w, s));
        for (long j = 0; j < H; ++j) {
            const auto pi = w.peephole(0, j), pf = w.peephole(1, j), po = w.peephole(2, j);
            for (long i = 0; i < s.rows; ++i) {
                auto &forget = s.gates.at(kForget * H + j, i), &g = s.gates.at((kForget + 1) * H + j, i),
                     &out = s.gates.at((kForget + 2) * H + j, i);
                const auto before = s.previous_cell.at(j, i);
                Vector<T> in;
                if constexpr (!kCoupled) s.gates.at(j, i) = in = sigmoid(s.gates.at(j, i) + pi * before);
                forget = sigmoid(forget + pf * before);
                if constexpr (kCoupled) in = 1 - forget;
                g = tanh(g);
                const auto cell = forget * before + in * g;
                out = sigmoid(out + po * cell);
                s.gates.at(kColumns * H + j, i) = cell;
                s.hidden.at(j, i) = out * tanh(cell);
            }
        }
    }

    template <class T>
    static void backward(const Layer<T>& w, const Step<T>& s) {
        const long H = w.blocks;
        for (long j = 0; j < H; ++j) {
            const auto pi = w.peephole(0, j), pf = w.peephole(1, j), po = w.peephole(2, j);
            Vector<T> dpi{}, dpf{}, dpo{};
            for (long i = 0; i < s.rows; ++i) {
                const auto forget = s.gates.at(kForget * H + j, i), g = s.gates.at((kForget + 1) * H + j, i),
                           out = s.gates.at((kForget + 2) * H + j, i), cell = s.gates.at(kColumns * H + j, i);
                Vector<T> in, d_in, d_forget;
                if constexpr (kCoupled)
                    in = 1 - forget;
                else
                    in = s.gates.at(j, i);
                const auto before = s.previous_cell.at(j, i), squashed = tanh(cell);
                const auto d = s.d_hidden.at(j, i) + s.d_output.at(j, i);
                const auto d_out = d * squashed * out * (1 - out);
                const auto d_cell = s.d_cell.at(j, i) + d * out * (1 - squashed * squashed) + d_out * po;
                if constexpr (kCoupled) {
                    d_in = Vector<T>{};
                    d_forget = d_cell * (before - g) * forget * in;
                } else {
                    d_in = d_cell * g * in * (1 - in);
                    d_forget = d_cell * before * forget * (1 - forget);
                    s.d_gates.at(j, i) = d_in;
                }
                s.d_gates.at(kForget * H + j, i) = d_forget;
                s.d_gates.at((kForget + 1) * H + j, i) = d_cell * in * (1 - g * g);
                s.d_gates.at((kForget + 2) * H + j, i) = d_out;
                s.d_cell.at(j, i) = d_cell * forget + d_in * pi + d_forget * pf;
                s.d_hidden.at(j, i) = Vector<T>{};
                dpi += d_in * before;
                dpf += d_forget * before;
                dpo += d_out * cell;
            }
            s.d_peephole.at(j, 0) += dpi;
            s.d_peephole.at(H + j, 0) += dpf;
            s.d_peephole.at(2 * H + j, 0) += dpo;
        }
        multiply<T>(s.scratch, s.rows, H, d_product<T>(w, s, s.d_gates, 0, kGates), w.gates_depth, w.weight_hh, w.zeros);
        unsee(w, s);
    }
};

}  // namespace gatebench
