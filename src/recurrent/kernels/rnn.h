// The tanh network (Elman 1990). The only column of `gates` is the new state.
#pragma once
#include "step.h"

namespace gatebench {

struct Rnn {
    static constexpr int kGates = 1, kInputs = 1, kColumns = 1, kSaved = 1, kRecurrent = 0;
    static constexpr int kOrder[kGates] = {0};
    static constexpr bool kCell = false;

    template <class T>
    static void forward(const Layer<T>& w, const Step<T>& s) {
        multiply<T>(s.gates, s.rows, w.blocks, see(w, s), w.state_depth, w.weight_hh);
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
        multiply<T>(s.scratch, s.rows, w.blocks, s.d_gates, w.gates_depth, w.weight_hh, w.zeros);
        unsee(w, s);
    }
};

}  // namespace gatebench
