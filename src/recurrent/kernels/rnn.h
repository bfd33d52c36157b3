// The tanh network (Elman 1990). The only column of `gates` is the new state.
#pragma once
#include "normalise.h"

namespace gatebench {

struct Rnn {
    static constexpr int kGates = 1, kInputs = 1, kColumns = 1, kSaved = 1, kRecurrent = 0, kNorms = 1;
    static constexpr int kOrder[kGates] = {0};
    static constexpr bool kCell = false;

    template <class T>
    static void forward(const Layer<T>& w, const Step<T>& s) {
        contribute<T>(w, s, s.gates, 0, 1, see(w, s));
        for (long j = 0; j < w.blocks; ++j)
            for (long i = 0; i < s.rows; ++i) s.hidden.at(j, i) = s.gates.at(j, i) = tanh(s.gates.at(j, i));
    }

    template <class T>
    static void backward(const Layer<T>& w, const Step<T>& s) {
        for (long j = 0; j < w.blocks; ++j)
            for (long i = 0; i < s.rows; ++i) {
                const auto h = s.gates.at(j, i);
                s.d_gates.at(j, i) = (s.d_hidden.at(j, i) + s.d_output.at(j, i)) * (1 - h * h);
                s.d_hidden.at(j, i) = Vector<T>{};
            }
        multiply<T>(s.scratch, s.rows, w.blocks, d_product<T>(w, s, s.d_gates, 0, 1), w.gates_depth, w.weight_hh, w.zeros);
        unsee(w, s);
    }
};

}  // namespace gatebench
