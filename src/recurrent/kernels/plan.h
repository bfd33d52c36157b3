// Who computes what: rows to threads, steps to chunks.
//
// Rows are independent, so a thread walks its rows through the whole sequence without waiting for anyone. It takes
// them by falling length; the rows still running at a step are then the first ones, and a finished row costs nothing.
// A chunk is some steps of one thread. What is large (projection of the input, gradients of the weights) is one
// product for a chunk, small enough to stay in the cache. Within a chunk the running rows of each step stand tightly
// packed, one step after the other.
#pragma once
#include <numeric>
#include <vector>

#include "call.h"
#include "matrix.h"

namespace gatebench {

constexpr long kChunkRows = 512;  // CHUNK_ROWS in call.py

struct Chunk {
    long first;                 // first step
    std::vector<long> offset;   // offset[k]: packed row at which step first + k begins; the last is the total
    long position;              // of its saved block, in vectors of one column
    long steps() const { return static_cast<long>(offset.size()) - 1; }
    long rows() const { return offset.back(); }
    long stride() const { return offset.back() | 1; }
    long active(long k) const { return offset[k + 1] - offset[k]; }
};

struct Part {
    std::vector<long> row, length;  // its rows of the batch, longest first
    std::vector<Chunk> chunks;
    long rows() const { return static_cast<long>(row.size()); }
    long largest() const {
        long most = 1;
        for (const Chunk& c : chunks) most = std::max(most, c.stride());
        return most;
    }
};

template <class T>
std::vector<Part> plan(const Call<T>& q) {
    auto length = [&](long b) { return q.lengths ? static_cast<long>(q.lengths[b]) : static_cast<long>(q.time); };
    std::vector<long> order(q.batch);
    std::iota(order.begin(), order.end(), 0L);
    if (q.lengths) std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return length(a) > length(b); });

    const long count = std::max<long>(1, std::min(q.threads, q.batch));
    std::vector<Part> parts(count);
    for (long i = 0; i < q.batch; ++i) {
        parts[i % count].row.push_back(order[i]);
        parts[i % count].length.push_back(length(order[i]));
    }
    long position = 0;
    for (Part& p : parts) {
        long active = p.rows();
        for (long s = 0; active && s < p.length[0];) {
            Chunk c{s, {0}, position};
            for (; s < p.length[0] && c.rows() < kChunkRows; ++s) {
                while (p.length[active - 1] <= s) --active;
                c.offset.push_back(c.rows() + active);
            }
            position += c.stride();
            p.chunks.push_back(std::move(c));
        }
    }
    return parts;
}

// The (row of the batch, time) of every packed row of a chunk, as an index into (batch, time). `before` gives the step
// before it in the order of walking, -1 - row where that is the initial state.
template <class T>
void locate(const Call<T>& q, const Part& p, const Chunk& c, std::vector<long>& here, std::vector<long>& before) {
    here.clear();
    before.clear();
    for (long k = 0; k < c.steps(); ++k)
        for (long i = 0; i < c.active(k); ++i) {
            const long s = c.first + k, t = q.reverse ? p.length[i] - 1 - s : s;
            const long index = p.row[i] * q.time + t;
            here.push_back(index);
            before.push_back(s == 0 ? -1 - p.row[i] : q.reverse ? index + 1 : index - 1);
        }
}

}  // namespace gatebench
