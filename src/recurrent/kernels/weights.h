// The weights as the products want them, and the memory for that and for a call's workspace.
#pragma once
#include <memory>
#include <new>
#include <vector>

#include "call.h"
#include "step.h"

namespace gatebench {

// Memory for matrices, aligned to vectors and given back with its owner.
template <class T>
class Arena {
  public:
    Matrix<T> matrix(long rows, long columns) {
        const long size = std::max(1L, rows * columns);
        blocks_.emplace_back(new (std::align_val_t(64)) T[size * kLanes<T>]);
        return {blocks_.back().get(), rows};
    }
    Matrix<T> zeros(long rows, long columns) {
        Matrix<T> m = matrix(rows, columns);
        std::fill_n(m.data, rows * columns * kLanes<T>, T(0));
        return m;
    }

  private:
    struct Free {
        void operator()(T* p) const { ::operator delete[](p, std::align_val_t(64)); }
    };
    std::vector<std::unique_ptr<T[], Free>> blocks_;
};

// Rows of a weight, gate by gate in the given order, become the columns of a right factor.
template <class T>
Matrix<T> transpose(Arena<T>& arena, const T* weight, long hidden, long width, const int* order, int gates) {
    constexpr int L = kLanes<T>;
    Matrix<T> m = arena.zeros(width, gates * blocks<T>(hidden));
    for (int g = 0; g < gates; ++g)
        for (long unit = 0; unit < hidden; ++unit) {
            const T* from = weight + (order[g] * hidden + unit) * width;
            T* to = m.right(g * blocks<T>(hidden) + unit / L).data + unit % L;
            for (long k = 0; k < width; ++k) to[k * L] = from[k];
        }
    return m;
}

template <class T>
void add_bias(Matrix<T> row, long first, const T* bias, long gate, long hidden) {
    for (long j = 0; bias && j < blocks<T>(hidden); ++j)
        row.at(first * blocks<T>(hidden) + j, 0) +=
            load(bias + gate * hidden + j * kLanes<T>, hidden - j * kLanes<T>);
}

constexpr int kNatural[4] = {0, 1, 2, 3};

template <class Cell, class T>
Layer<T> prepare(const Call<T>& q, Arena<T>& arena, bool backward) {
    const long H = q.hidden_size, B = blocks<T>(H);
    Layer<T> w{H, B, T(q.takes ? -1 : 1), {H, 1}, {H, Cell::kGates}, {}, {}, nullptr, nullptr, nullptr, nullptr};
    Matrix<T> start = arena.zeros(1, Cell::kColumns * B), peepholes = arena.zeros(1, 3 * B);
    for (int column = 0; column < Cell::kInputs; ++column)
        add_bias(start, column, q.bias_ih, Cell::kOrder[column], H);
    // With the reset after the product the candidate's second bias stands inside the reset: column 3, gate 2.
    for (int gate = 0; gate < Cell::kGates; ++gate) {
        const int column = Cell::kColumns > Cell::kGates ? gate + 1
                           : Cell::kRecurrent            ? (gate + 1) % Cell::kGates
                                                         : gate;
        add_bias(start, column, q.bias_hh, gate, H);
    }
    for (int gate = 0; gate < 3; ++gate) add_bias(peepholes, gate, q.peephole, gate, H);
    w.start_ih = start.data;
    w.start_hh = start.right(Cell::kInputs * B).data;
    w.peepholes = peepholes.data;
    w.zeros = arena.zeros(1, std::max(kNorm ? Cell::kGates * B : B, blocks<T>(q.input_size))).data;
    if constexpr (kNorm) {
        Matrix<T> gain_ih = arena.zeros(1, Cell::kInputs * B), gain_hh = arena.zeros(1, Cell::kGates * B);
        for (int column = 0; column < Cell::kInputs; ++column)
            add_bias(gain_ih, column, q.gain_ih, Cell::kOrder[column], H);
        for (int gate = 0; gate < Cell::kGates; ++gate) add_bias(gain_hh, gate, q.gain_hh, gate, H);
        w.gain_ih = gain_ih.data;
        w.gain_hh = gain_hh.data;
        Matrix<T> inside = arena.zeros(1, 1);
        std::fill_n(inside.data, H - (B - 1) * kLanes<T>, T(1));
        w.inside = inside.data;
    }
    if (!backward) {
        w.weight_ih = transpose(arena, q.weight_ih, H, q.input_size, Cell::kOrder, Cell::kInputs);
        w.weight_hh = transpose(arena, q.weight_hh, H, H, kNatural, Cell::kGates);
        return w;
    }
    Matrix<T> ih = arena.matrix(Cell::kInputs * H, blocks<T>(q.input_size)), hh = arena.matrix(Cell::kGates * H, B);
    gather(ih, q.d_x ? Cell::kInputs * H : 0, q.input_size,
           [&](long i) { return q.weight_ih + (Cell::kOrder[i / H] * H + i % H) * q.input_size; });
    gather(hh, Cell::kGates * H, H, [&](long i) { return q.weight_hh + i * H; });
    w.weight_ih = ih;
    w.weight_hh = hh;
    return w;
}

}  // namespace gatebench
