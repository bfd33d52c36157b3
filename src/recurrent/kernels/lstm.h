// The long short-term memory with or without peepholes. Columns of `gates`: input, forget, candidate, output gate,
// and the cell.
#pragma once
#include "step.h"

namespace gatebench {

struct Lstm {
    static constexpr int kGates = 4, kInputs = 4, kColumns = 4, kSaved = 5, kRecurrent = 0;
    static constexpr int kOrder[kGates] = {0, 1, 2, 3};
    static constexpr bool kCell = true;

    template <class T>
    static void forward(const Layer<T>& w, const Step<T>& s) {
        const long H = w.blocks;
        multiply<T>(s.gates, s.rows, 4 * H, see(w, s), w.state_depth, w.weight_hh);
        for (long j = 0; j < H; ++j) {
            const auto pi = w.peephole(0, j), pf = w.peephole(1, j), po = w.peephole(2, j);
            for (long i = 0; i < s.rows; ++i) {
                auto &in = s.gates.at(j, i), &forget = s.gates.at(H + j, i), &g = s.gates.at(2 * H + j, i),
                     &out = s.gates.at(3 * H + j, i);
                const auto before = s.previous_cell.at(j, i);
                in = sigmoid(in + pi * before);
                forget = sigmoid(forget + pf * before);
                g = tanh(g);
                const auto cell = forget * before + in * g;
                out = sigmoid(out + po * cell);
                s.gates.at(4 * H + j, i) = cell;
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
                const auto in = s.gates.at(j, i), forget = s.gates.at(H + j, i), g = s.gates.at(2 * H + j, i),
                           out = s.gates.at(3 * H + j, i), cell = s.gates.at(4 * H + j, i);
                const auto before = s.previous_cell.at(j, i), squashed = tanh(cell);
                const auto d = s.d_hidden.at(j, i) + s.d_output.at(j, i);
                const auto d_out = d * squashed * out * (1 - out);
                const auto d_cell = s.d_cell.at(j, i) + d * out * (1 - squashed * squashed) + d_out * po;
                const auto d_in = d_cell * g * in * (1 - in), d_forget = d_cell * before * forget * (1 - forget);
                s.d_gates.at(j, i) = d_in;
                s.d_gates.at(H + j, i) = d_forget;
                s.d_gates.at(2 * H + j, i) = d_cell * in * (1 - g * g);
                s.d_gates.at(3 * H + j, i) = d_out;
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
        multiply<T>(s.scratch, s.rows, H, s.d_gates, w.gates_depth, w.weight_hh, w.zeros);
        unsee(w, s);
    }
};

}  // namespace gatebench
