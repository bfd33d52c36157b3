// What a cell sees of one step, for the rows still running. All matrices begin at the step's first row.
#pragma once
#include "call.h"
#include "matrix.h"

namespace gatebench {

// The weights of a layer in one direction, as the products want them.
template <class T>
struct Layer {
    long hidden_size, blocks;
    T sign;                            // of the update gate's pre-activation
    Depth state_depth, gates_depth;    // columns of a state; of the gates that the state contributes to
    Matrix<const T> weight_ih, weight_hh;
    const T *start_ih, *start_hh;      // biases to begin the products with, a row as wide as their columns
    const T* zeros;
    const T* peepholes;                // three padded rows, zero without peepholes

    // With layer normalisation.
    const T *gain_ih = nullptr, *gain_hh = nullptr;  // as wide as the columns of weight_ih and weight_hh
    const T* inside = nullptr;         // one vector: 1 where the last block of a gate has a unit, else 0

    const Vector<T>& peephole(long gate, long j) const { return at(peepholes + (gate * blocks + j) * kLanes<T>); }
};

template <class T>
struct Step {
    long rows;
    Matrix<T> gates;                 // in: what the input contributes; out: the activations
    Matrix<const T> previous;        // h_{t-1}
    Matrix<T> hidden;                // h_t
    Matrix<const T> previous_cell;   // c_{t-1}
    Matrix<const T> mask;            // of h_{t-1} in the recurrent product; may be none
    Matrix<T> scratch;               // as wide as a state
    // Backward.
    Matrix<const T> d_output, seen;  // seen: mask * h_{t-1}
    Matrix<T> d_gates, d_hidden, d_cell;
    Matrix<T> reset;                 // r * seen, for the gradient of the weights
    Matrix<T> d_mask, d_peephole;
    // With layer normalisation: U h normalised, by what it was multiplied for that, and the gradient of U h.
    Matrix<T> normalised, scales, d_products;
};

// h_{t-1} as it enters the recurrent product.
template <class T>
Matrix<const T> see(const Layer<T>& w, const Step<T>& s) {
    if (!s.mask) return s.previous;
    for (long j = 0; j < w.blocks; ++j)
        for (long i = 0; i < s.rows; ++i) s.scratch.at(j, i) = s.mask.at(j, i) * s.previous.at(j, i);
    return s.scratch;
}

// Adds the gradient of mask * h_{t-1} that stands in scratch to that of h_{t-1} and of the mask.
template <class T>
void unsee(const Layer<T>& w, const Step<T>& s) {
    for (long j = 0; j < w.blocks; ++j)
        for (long i = 0; i < s.rows; ++i) {
            const auto d = s.scratch.at(j, i);
            s.d_hidden.at(j, i) += s.mask ? d * s.mask.at(j, i) : d;
            if (s.mask) s.d_mask.at(j, i) += d * s.previous.at(j, i);
        }
}

}  // namespace gatebench
