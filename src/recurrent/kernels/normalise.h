// What the state contributes, U h, and with layer normalisation (Ba et al. 2016) gain * normalised(U h), forward and
// backward; in Python `contribution` in src/recurrent/cells/base.py.
//
// Forward leaves for backward what is normalised and one number for a row, 1 / sqrt(variance + epsilon), as a vector.
#pragma once
#include <cmath>

#include "step.h"

namespace gatebench {

template <class T>
constexpr T kEpsilon = T(1e-5);

// The sum of a vector's lanes, by halves.
template <class T, int kWidth = kBytes>
inline T total(const T* lanes) {
    if constexpr (kWidth == 2 * sizeof(T)) {
        return lanes[0] + lanes[1];
    } else {
        typedef T Half __attribute__((vector_size(kWidth / 2), may_alias));
        const Half* halves = reinterpret_cast<const Half*>(lanes);
        const Half sum = halves[0] + halves[1];
        return total<T, kWidth / 2>(reinterpret_cast<const T*>(&sum));
    }
}

template <class T>
inline T total(Vector<T> v) {
    return total<T>(reinterpret_cast<const T*>(&v));
}

// Normalises the product of some gates, in place and each row by itself, and adds gain * normalised to the row
// `start`, without one to what stands in `to`. The product's padding is zero and stays so.
template <class T>
void normalise(const Layer<T>& w, Matrix<T> product, long rows, long gates, Matrix<T> scale, const T* gain,
               Matrix<T> to, const T* start) {
    constexpr int L = kLanes<T>;
    const long B = w.blocks, columns = gates * B;
    const T count = T(gates * w.hidden_size);
    const Vector<T> inside = at(w.inside);
    for (long i = 0; i < rows; ++i) {
        Vector<T> sum{}, squares{};
        for (long j = 0; j < columns; ++j) sum += product.at(j, i);
        const Vector<T> mean = splat(total<T>(sum) / count);
        for (long first = 0; first < columns; first += B) {
            const long last = first + B - 1;
            product.at(last, i) = (product.at(last, i) - mean) * inside;
            for (long j = first; j < last; ++j) product.at(j, i) -= mean;
            for (long j = first; j <= last; ++j) squares += product.at(j, i) * product.at(j, i);
        }
        const Vector<T> s = splat(1 / std::sqrt(total<T>(squares) / count + kEpsilon<T>));
        scale.at(0, i) = s;
        for (long j = 0; j < columns; ++j) {
            const Vector<T> v = product.at(j, i) * s;
            product.at(j, i) = v;
            to.at(j, i) = (start ? at(start + j * L) : to.at(j, i)) + at(gain + j * L) * v;
        }
    }
}

// The gradient of the product by that of gain * normalised; `to` may be `d`. Its padding is anything.
template <class T>
void denormalise(const Layer<T>& w, Matrix<T> to, Matrix<const T> d, long rows, long gates,
                 Matrix<const T> normalised, Matrix<const T> scale, const T* gain) {
    constexpr int L = kLanes<T>;
    const long columns = gates * w.blocks;
    const T count = T(gates * w.hidden_size);
    for (long i = 0; i < rows; ++i) {
        Vector<T> sum{}, along{};
        for (long j = 0; j < columns; ++j) {
            const Vector<T> g = d.at(j, i) * at(gain + j * L);
            sum += g;
            along += g * normalised.at(j, i);
        }
        const Vector<T> s = scale.at(0, i), mean = splat(total<T>(sum) / count), slope = splat(total<T>(along) / count);
        for (long j = 0; j < columns; ++j)
            to.at(j, i) = s * (d.at(j, i) * at(gain + j * L) - mean - slope * normalised.at(j, i));
    }
}

// Adds to `to` what a state contributes to `gates` gates of weight_hh from gate `first` on, which are normalised
// together; `start` is a row to begin with in place of what is there.
template <class T>
void contribute(const Layer<T>& w, const Step<T>& s, Matrix<T> to, long first, long gates, Matrix<const T> seen,
                const T* start = nullptr) {
    const long H = w.blocks;
    if constexpr (kNorm) {
        const Matrix<T> product = s.normalised.right(first * H);
        multiply<T>(product, s.rows, gates * H, seen, w.state_depth, w.weight_hh.right(first * H), w.zeros);
        normalise(w, product, s.rows, gates, s.scales.right(first > 0), w.gain_hh + first * H * kLanes<T>, to, start);
    } else {
        multiply<T>(to, s.rows, gates * H, seen, w.state_depth, w.weight_hh.right(first * H), start);
    }
}

// The gradient of U h by that of what the state contributes to these gates: with layer normalisation a part of
// d_products, in the order of weight_hh.
template <class T>
Matrix<const T> d_product(const Layer<T>& w, const Step<T>& s, Matrix<const T> d, long first, long gates) {
    if constexpr (kNorm) {
        const long H = w.blocks;
        const Matrix<T> to = s.d_products.right(first * H);
        denormalise<T>(w, to, d, s.rows, gates, s.normalised.right(first * H), s.scales.right(first > 0),
                       w.gain_hh + first * H * kLanes<T>);
        return to;
    } else {
        return d;
    }
}

// What the input of a chunk contributes: the columns that are normalised together, one after the other.
template <class Cell, class T, class Do>
void for_norms(const Layer<T>& w, Do work) {
    if constexpr (Cell::kNorms == 2) {
        work(0, 1, 0);
        work(w.blocks, 2, 1);
    } else {
        work(0, Cell::kInputs, 0);
    }
}

}  // namespace gatebench
