// What Python hands over in one call: sizes, options and pointers. call.py holds the same structure.
#pragma once
#include <cstdint>

namespace gatebench {

enum Kind : int64_t { kGruAfter, kGruBefore, kLstm, kRnn, kLstmCoupled };

// Whether this build normalises its products: a library of its own, so that the plain cells' code and the time that
// it takes to compile them stay as they are.
#ifdef NORMALISED
constexpr bool kNorm = true;
#else
constexpr bool kNorm = false;
#endif

template <class T>
struct Call {
    int64_t batch, time, input_size, hidden_size;
    int64_t kind;         // Kind
    int64_t takes;        // the update gate takes the new state instead of keeping the old one
    int64_t reverse;
    int64_t threads;
    const T* x;                // (batch, time, input_size)
    const int64_t* lengths;    // (batch,) or null
    const T *h0, *c0;          // (batch, hidden_size); c0 null without a cell state
    const T *weight_ih, *weight_hh, *bias_ih, *bias_hh, *peephole;  // biases and peepholes may be null
    const T* mask;             // (batch, hidden_size) or null
    T* saved;                  // forward: may be null; backward: what forward left there
    T* output;                 // (batch, time, hidden_size)
    T *h_n, *c_n;
    // Backward only. Null: a zero gradient comes in, no gradient is wanted.
    const T *d_output, *d_h_n, *d_c_n;
    T *d_x, *d_h0, *d_c0, *d_weight_ih, *d_weight_hh, *d_bias_ih, *d_bias_hh, *d_peephole, *d_mask;
    // With layer normalisation only.
    const T *gain_ih, *gain_hh;
    T *d_gain_ih, *d_gain_hh;
};

}  // namespace gatebench
