// The gated recurrent unit, both places of the reset gate. Columns of `gates`: candidate, reset, update, and with the
// reset after the product what the state contributes to the candidate, U_n h + b_n.
#pragma once
#include "normalise.h"

namespace gatebench {

template <bool kAfter>
struct Gru {
    static constexpr int kGates = 3, kInputs = 3, kColumns = kAfter ? 4 : 3, kSaved = kColumns;
    static constexpr int kNorms = 2;                    // the candidate is normalised by itself
    static constexpr int kRecurrent = 1;                // the first column that the state contributes to
    static constexpr int kOrder[kGates] = {2, 0, 1};    // the gates of the input's columns, in the twin's order
    static constexpr bool kCell = false;

    template <class T>
    static void forward(const Layer<T>& w, const Step<T>& s) {
        const long H = w.blocks;
        const Matrix<const T> seen = see(w, s);
        contribute<T>(w, s, s.gates.right(H), 0, 2, seen);
        if constexpr (kAfter) {
            contribute<T>(w, s, s.gates.right(3 * H), 2, 1, seen, w.start_hh);
        } else {
            for (long j = 0; j < H; ++j)
                for (long i = 0; i < s.rows; ++i) {
                    auto& r = s.gates.at(H + j, i);
                    r = sigmoid(r);
                    s.scratch.at(j, i) = r * seen.at(j, i);
                }
            contribute<T>(w, s, s.gates, 2, 1, s.scratch);
        }
        for (long j = 0; j < H; ++j)
            for (long i = 0; i < s.rows; ++i) {
                auto &n = s.gates.at(j, i), &r = s.gates.at(H + j, i), &z = s.gates.at(2 * H + j, i);
                z = sigmoid(w.sign * z);  // the share of the old state in either convention
                if constexpr (kAfter) {
                    r = sigmoid(r);
                    n = tanh(n + r * s.gates.at(3 * H + j, i));
                } else {
                    n = tanh(n);
                }
                s.hidden.at(j, i) = n + z * (s.previous.at(j, i) - n);
            }
    }

    // Turns d_hidden into the gradient of the state before; leaves the pre-activations' gradients in d_gates.
    template <class T>
    static void backward(const Layer<T>& w, const Step<T>& s) {
        const long H = w.blocks;
        for (long j = 0; j < H; ++j)
            for (long i = 0; i < s.rows; ++i) {
                const auto n = s.gates.at(j, i), r = s.gates.at(H + j, i), z = s.gates.at(2 * H + j, i);
                const auto d = s.d_hidden.at(j, i) + s.d_output.at(j, i);
                const auto dn = d * (1 - z) * (1 - n * n);
                s.d_gates.at(j, i) = dn;
                s.d_gates.at(2 * H + j, i) = w.sign * d * (s.previous.at(j, i) - n) * z * (1 - z);
                s.d_hidden.at(j, i) = d * z;
                if constexpr (kAfter) {
                    s.d_gates.at(H + j, i) = dn * s.gates.at(3 * H + j, i) * r * (1 - r);
                    s.d_gates.at(3 * H + j, i) = dn * r;
                }
            }
        if constexpr (kAfter) {
            const Matrix<const T> d = d_product<T>(w, s, s.d_gates.right(H), 0, 2);
            d_product<T>(w, s, s.d_gates.right(3 * H), 2, 1);
            multiply<T>(s.scratch, s.rows, H, d, w.gates_depth, w.weight_hh, w.zeros);
        } else {
            const Matrix<const T> d = d_product<T>(w, s, s.d_gates, 2, 1);
            multiply<T>(s.scratch, s.rows, H, d, w.state_depth, w.weight_hh.down(2 * w.hidden_size), w.zeros);
            for (long j = 0; j < H; ++j)
                for (long i = 0; i < s.rows; ++i) {
                    const auto r = s.gates.at(H + j, i), h = s.seen.at(j, i);
                    auto& d = s.scratch.at(j, i);
                    s.reset.at(j, i) = r * h;
                    s.d_gates.at(H + j, i) = d * h * r * (1 - r);
                    d = d * r;
                }
            const Matrix<const T> d_rz = d_product<T>(w, s, s.d_gates.right(H), 0, 2);
            multiply<T>(s.scratch, s.rows, H, d_rz, {w.hidden_size, 2}, w.weight_hh);
        }
        unsee(w, s);
    }
};

}  // namespace gatebench
