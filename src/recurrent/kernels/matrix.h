// Matrices in blocks of one vector's width, and their product.
//
// Element (i, j*lanes + l) of a Matrix stands at data[(j*stride + i)*lanes + l]: every block of `lanes` columns is
// contiguous over the rows. One layout serves as the left and as the right factor, transposed or not, and as the
// result, so nothing is packed twice. `stride` (rows, in vectors) is odd where a matrix is large, so that blocks do
// not fall upon the same cache sets.
#pragma once
#include <algorithm>

#include "vectors.h"

namespace gatebench {

template <class T>
struct Element {
    using V = Vector<T>;
};
template <class T>
struct Element<const T> {
    using V = const Vector<T>;
};

template <class T>
struct Matrix {
    T* data = nullptr;
    long stride = 0;

    using V = typename Element<T>::V;

    V& at(long j, long i) const { return reinterpret_cast<V*>(data)[j * stride + i]; }
    Matrix down(long rows) const { return {data + rows * kLanes<T>, stride}; }
    Matrix right(long blocks) const { return {data + blocks * stride * kLanes<T>, stride}; }
    template <class U = T, class = std::enable_if_t<!std::is_const_v<U>>>
    operator Matrix<const U>() const { return {data, stride}; }
    explicit operator bool() const { return data != nullptr; }

};

template <class T>
inline long blocks(long width) {
    return (width + kLanes<T> - 1) / kLanes<T>;
}

// The columns of a left factor: groups of `width` columns, each padded to whole blocks that the product skips.
struct Depth {
    long width, groups;
};

// Keeps GCC from loading a vector again for each of its uses, which costs more than the multiplication.
template <class V>
inline V in_register(V v) {
#if defined(__x86_64__)
    asm("" : "+v"(v));
#endif
    return v;
}

// One tile of the result, M rows by N blocks, kept in registers. With few accumulators, U sums over interleaved
// steps of the depth hide the latency of the additions.
template <class T, int M, int N, bool kTransposed>
struct Tile {
    static constexpr int L = kLanes<T>;
    static constexpr int U = M * N >= 8 ? 1 : M * N >= 4 ? 2 : 4;
    Vector<T> sum[U][M][N];

    __attribute__((always_inline)) void step(int u, const T* a, const T* b, long b_block) {
        Vector<T> right[N];
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) right[n] = in_register(gatebench::at(b + n * b_block));
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
            const Vector<T> left = splat(a[kTransposed ? m : m * L]);
#pragma GCC unroll 8
            for (int n = 0; n < N; ++n) sum[u][m][n] += left * right[n];
        }
    }

    __attribute__((always_inline)) void walk(const T* a, long a_step, const T* b, long b_block, long depth) {
        long k = 0;
        for (; k + U <= depth; k += U) {
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) step(u, a + (k + u) * a_step, b + (k + u) * L, b_block);
        }
        for (; k < depth; ++k) step(0, a + k * a_step, b + k * L, b_block);
    }

    __attribute__((always_inline)) void start(const T* c, long c_block, const T* row) {
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
                for (int n = 0; n < N; ++n)
                    sum[u][m][n] = u     ? Vector<T>{}
                                   : row ? gatebench::at(row + n * L)
                                         : gatebench::at(c + n * c_block + m * L);
    }

    __attribute__((always_inline)) void finish(T* c, long c_block) {
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
            for (int n = 0; n < N; ++n) {
                Vector<T> total = sum[0][m][n];
#pragma GCC unroll 4
                for (int u = 1; u < U; ++u) total += sum[u][m][n];
                gatebench::at(c + n * c_block + m * L) = total;
            }
    }
};

// c[rows, N blocks] = start + a b over one stretch of the depth that fits into the first cache.
template <class T>
struct Stretch {
    Matrix<T> c;
    Matrix<const T> a, b;
    const T* start;      // a row to begin with; null: add to what is there
    long first, last;    // blocks of a's columns; rows of b where a is transposed
    Depth depth;
};

template <class T, int M, int N, bool kTransposed>
void panel(const Stretch<T>& s, long i, long rows, long j) {
    constexpr int L = kLanes<T>;
    const long per_group = blocks<T>(s.depth.width), tail = s.depth.width - (per_group - 1) * L;
    const long b_block = s.b.stride * L, c_block = s.c.stride * L;
    const T* start = s.start ? s.start + j * L : nullptr;
    for (; i + M <= rows; i += M) {
        Tile<T, M, N, kTransposed> tile;
        T* c = s.c.right(j).down(i).data;
        tile.start(c, c_block, start);
        if constexpr (kTransposed) {
            const T* a = s.a.right(i / L).down(s.first).data + i % L;
            tile.walk(a, L, s.b.right(j).down(s.first).data, b_block, s.last - s.first);
        } else {
            const T* a = s.a.right(s.first).down(i).data;
            const long group = s.first / per_group;
            long in_group = s.first - group * per_group;
            const T* b = s.b.right(j).down(group * s.depth.width + in_group * L).data;
            for (long block = s.first; block < s.last; ++block, a += s.a.stride * L) {
                const bool ends = ++in_group == per_group;
                const long lanes = ends ? tail : L;
                tile.walk(a, 1, b, b_block, lanes);
                b += lanes * L;
                if (ends) in_group = 0;
            }
        }
        tile.finish(c, c_block);
    }
    if constexpr (M > 1) {
        if (i < rows) panel<T, M / 2, N, kTransposed>(s, i, rows, j);
    }
}

template <class T, int M, int N, bool kTransposed>
void panels(const Stretch<T>& s, long rows, long j, long columns) {
    for (; j + N <= columns; j += N) panel<T, M, N, kTransposed>(s, 0, rows, j);
    if constexpr (N > 1) {
        if (j < columns) panels<T, M, N == 3 ? 2 : N / 2, kTransposed>(s, rows, j, columns);
    }
}

template <bool kTransposed, class T>
void stretches(Stretch<T> s, long rows, long columns, long depth, long length) {
    constexpr int M = std::min(kTileRows, kLanes<T>);
    for (s.first = 0; s.first < depth; s.first = s.last) {
        s.last = std::min(depth, s.first + length);
        if (rows >= 4)
            panels<T, M, 3, kTransposed>(s, rows, 0, columns);
        else if (rows >= 2)
            panels<T, std::min(M, 2), 4, kTransposed>(s, rows, 0, columns);
        else
            panels<T, 1, 8, kTransposed>(s, rows, 0, columns);
        s.start = nullptr;
    }
}

#ifndef STRETCH
#define STRETCH 256
#endif
constexpr long kStretch = STRETCH;  // steps of the depth: with three blocks of b they stay in the first cache

// c = start + a b, or c += a b without start: c is (rows, columns blocks), a (rows, depth), b (depth, columns blocks).
template <class T>
void multiply(Matrix<T> c, long rows, long columns, Matrix<const T> a, Depth depth, Matrix<const T> b,
              const T* start = nullptr) {
    stretches<false, T>({c, a, b, start, 0, 0, depth}, rows, columns, depth.groups * blocks<T>(depth.width),
                        kStretch / kLanes<T>);
}

// c += transposed(a) b: c is (rows, columns blocks), a (depth, rows), b (depth, columns blocks).
template <class T>
void multiply_transposed(Matrix<T> c, long rows, long columns, Matrix<const T> a, long depth, Matrix<const T> b) {
    stretches<true, T>({c, a, b, nullptr, 0, 0, {1, 1}}, rows, columns, depth, kStretch);
}

// Row i of the matrix is the `width` numbers at source(i), zeros where that is null; padding becomes zero.
template <class T, class Source>
void gather(Matrix<T> to, long rows, long width, Source source) {
    for (long i = 0; i < rows; ++i) {
        const T* from = source(i);
        for (long j = 0, left = width; left > 0; ++j, left -= kLanes<T>)
            to.at(j, i) = from ? load(from + j * kLanes<T>, left) : Vector<T>{};
    }
}

template <class T, class Target>
void scatter(Matrix<T> from, long rows, long width, Target target) {
    for (long i = 0; i < rows; ++i) {
        T* to = target(i);
        for (long j = 0, left = width; left > 0; ++j, left -= kLanes<T>) store(to + j * kLanes<T>, from.at(j, i), left);
    }
}

}  // namespace gatebench
