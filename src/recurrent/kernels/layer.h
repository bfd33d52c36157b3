// One layer in one direction, forward and backward, for the rows of one thread.
#pragma once
#include "plan.h"
#include "weights.h"

namespace gatebench {

template <class T>
void copy_row(Matrix<T> to, long i, Matrix<const T> from, long k, long columns) {
    for (long j = 0; j < columns; ++j) to.at(j, i) = from.at(j, k);
}

// The state of every row after the chunk: of a row that ended within it, the last one.
template <class T>
void carry(const Chunk& c, Matrix<T> state, Matrix<const T> states, long columns) {
    for (long k = 0; k < c.steps(); ++k) {
        const long stays = k + 1 < c.steps() ? c.active(k + 1) : 0;
        for (long i = stays; i < c.active(k); ++i) copy_row(state, i, states, c.offset[k] + i, columns);
    }
}

// Columns, in blocks, of what forward leaves for backward: what the cell saves, with layer normalisation also W x and
// U h normalised, and a vector for each row and each part that is normalised by itself.
template <class Cell>
struct Saved {
    long blocks;
    static constexpr int kScales = kNorm ? 2 * Cell::kNorms : 0;

    long input() const { return Cell::kSaved * blocks; }
    long state() const { return input() + Cell::kInputs * blocks; }
    long scales() const { return state() + Cell::kGates * blocks; }
    long columns() const { return kNorm ? scales() + kScales : input(); }
};

template <class Cell, class T>
void forward(const Call<T>& q, const Layer<T>& w, const Part& p) {
    Arena<T> arena;
    const long H = q.hidden_size, B = w.blocks, input_blocks = blocks<T>(q.input_size);
    const long rows = p.rows(), most = p.largest();
    std::vector<long> here, before;
    Matrix<T> h = arena.matrix(rows, B), c = Cell::kCell ? arena.matrix(rows, B) : Matrix<T>{};
    Matrix<T> mask = q.mask ? arena.matrix(rows, B) : Matrix<T>{}, scratch = arena.matrix(rows, B);
    Matrix<T> x = arena.matrix(most, input_blocks), hidden = arena.matrix(most, B);
    const Saved<Cell> saved{B};
    Matrix<T> gates = q.saved ? Matrix<T>{} : arena.matrix(most, saved.columns());
    gather(h, rows, H, [&](long i) { return q.h0 + p.row[i] * H; });
    if (Cell::kCell) gather(c, rows, H, [&](long i) { return q.c0 + p.row[i] * H; });
    if (q.mask) gather(mask, rows, H, [&](long i) { return q.mask + p.row[i] * H; });

    for (const Chunk& chunk : p.chunks) {
        locate(q, p, chunk, here, before);
        gather(x, chunk.rows(), q.input_size, [&](long i) { return q.x + here[i] * q.input_size; });
        if (q.saved) gates = {q.saved + chunk.position * saved.columns() * kLanes<T>, chunk.stride()};
        if constexpr (kNorm)
            for_norms<Cell>(w, [&](long first, long count, int norm) {
                const Matrix<T> product = gates.right(saved.input() + first);
                const long from = first * kLanes<T>;
                multiply<T>(product, chunk.rows(), count * B, x, {q.input_size, 1}, w.weight_ih.right(first), w.zeros);
                normalise(w, product, chunk.rows(), count, gates.right(saved.scales() + Cell::kNorms + norm),
                          w.gain_ih + from, gates.right(first), w.start_ih + from);
            });
        else
            multiply<T>(gates, chunk.rows(), Cell::kInputs * B, x, {q.input_size, 1}, w.weight_ih, w.start_ih);
        for (long k = 0; k < chunk.steps(); ++k) {
            const long now = chunk.offset[k];
            Step<T> s;
            s.rows = chunk.active(k);
            s.gates = gates.down(now);
            s.previous = k ? hidden.down(chunk.offset[k - 1]) : h;
            s.hidden = hidden.down(now);
            if (Cell::kCell) s.previous_cell = k ? gates.right(Cell::kColumns * B).down(chunk.offset[k - 1]) : c;
            s.mask = mask;
            s.scratch = scratch;
            if constexpr (kNorm) {
                s.normalised = s.gates.right(saved.state());
                s.scales = s.gates.right(saved.scales());
            }
            Cell::forward(w, s);
        }
        carry<T>(chunk, h, hidden, B);
        if (Cell::kCell) carry<T>(chunk, c, gates.right(Cell::kColumns * B), B);
        scatter(hidden, chunk.rows(), H, [&](long i) { return q.output + here[i] * H; });
    }
    scatter(h, rows, H, [&](long i) { return q.h_n + p.row[i] * H; });
    if (Cell::kCell) scatter(c, rows, H, [&](long i) { return q.c_n + p.row[i] * H; });
    for (long i = 0; i < rows; ++i) {
        T* row = q.output + p.row[i] * q.time * H;
        std::fill(row + p.length[i] * H, row + q.time * H, T(0));
    }
}

// What one thread adds to the gradients of the weights, transposed as the products leave them.
template <class T>
struct Gradients {
    Arena<T> arena;
    Matrix<T> weight_ih, weight_hh, bias, peephole, gain_ih, gain_hh;
};

// The column of the pre-activations to which the state contributes by a gate of weight_hh.
template <class Cell>
constexpr int recurrent_column(int gate) {
    return (gate + Cell::kRecurrent) % Cell::kColumns;
}

// sums[j] += the sum over the rows of a[i, j] * b[i, j].
template <class T>
void add_product(Matrix<T> sums, long columns, Matrix<const T> a, Matrix<const T> b, long rows) {
    for (long j = 0; j < columns; ++j) {
        Vector<T> sum{};
        for (long i = 0; i < rows; ++i) sum += a.at(j, i) * b.at(j, i);
        sums.at(j, 0) += sum;
    }
}

template <class Cell, class T>
void backward(const Call<T>& q, const Layer<T>& w, const Part& p, Gradients<T>& total) {
    Arena<T> arena;
    const long H = q.hidden_size, B = w.blocks, input_blocks = blocks<T>(q.input_size);
    const long rows = p.rows(), most = p.largest();
    constexpr bool kBefore = Cell::kRecurrent && Cell::kColumns == Cell::kGates;
    std::vector<long> here, before;
    Matrix<T> d_h = arena.matrix(rows, B), d_c = Cell::kCell ? arena.matrix(rows, B) : Matrix<T>{};
    Matrix<T> c0 = Cell::kCell ? arena.matrix(rows, B) : Matrix<T>{};
    Matrix<T> mask = q.mask ? arena.matrix(rows, B) : Matrix<T>{};
    Matrix<T> d_mask = q.mask ? arena.zeros(rows, B) : Matrix<T>{};
    Matrix<T> scratch = arena.matrix(rows, B), x = arena.matrix(most, input_blocks);
    Matrix<T> previous = arena.matrix(most, B), seen = q.mask ? arena.matrix(most, B) : previous;
    Matrix<T> reset = kBefore ? arena.matrix(most, B) : Matrix<T>{}, d_output = arena.matrix(most, B);
    Matrix<T> d_gates = arena.matrix(most, Cell::kColumns * B);
    Matrix<T> d_x = q.d_x ? arena.matrix(most, input_blocks) : Matrix<T>{};
    Matrix<T> d_products = kNorm ? arena.matrix(most, Cell::kGates * B) : Matrix<T>{};
    const Saved<Cell> columns{B};
    gather(d_h, rows, H, [&](long i) { return q.d_h_n ? q.d_h_n + p.row[i] * H : nullptr; });
    if (Cell::kCell) {
        gather(d_c, rows, H, [&](long i) { return q.d_c_n ? q.d_c_n + p.row[i] * H : nullptr; });
        gather(c0, rows, H, [&](long i) { return q.c0 + p.row[i] * H; });
    }
    if (q.mask) gather(mask, rows, H, [&](long i) { return q.mask + p.row[i] * H; });
    total.weight_ih = total.arena.zeros(q.input_size, Cell::kInputs * B);
    total.weight_hh = total.arena.zeros(H, Cell::kGates * B);
    total.bias = total.arena.zeros(1, Cell::kColumns * B);
    total.peephole = total.arena.zeros(1, 3 * B);
    if constexpr (kNorm) {
        total.gain_ih = total.arena.zeros(1, Cell::kInputs * B);
        total.gain_hh = total.arena.zeros(1, Cell::kGates * B);
    }

    for (long n = static_cast<long>(p.chunks.size()) - 1; n >= 0; --n) {
        const Chunk& chunk = p.chunks[n];
        const long count = chunk.rows();
        auto saved = [&](const Chunk& c) {
            return Matrix<T>{q.saved + c.position * columns.columns() * kLanes<T>, c.stride()};
        };
        const Matrix<T> gates = saved(chunk);
        locate(q, p, chunk, here, before);
        gather(previous, count, H,
               [&](long i) { return before[i] < 0 ? q.h0 + (-1 - before[i]) * H : q.output + before[i] * H; });
        gather(d_output, count, H, [&](long i) { return q.d_output ? q.d_output + here[i] * H : nullptr; });
        if (q.mask)
            for (long k = 0; k < chunk.steps(); ++k)
                for (long j = 0; j < B; ++j)
                    for (long i = 0; i < chunk.active(k); ++i)
                        seen.at(j, chunk.offset[k] + i) = mask.at(j, i) * previous.at(j, chunk.offset[k] + i);

        for (long k = chunk.steps() - 1; k >= 0; --k) {
            const long now = chunk.offset[k];
            Step<T> s;
            s.rows = chunk.active(k);
            s.gates = gates.down(now);
            s.previous = previous.down(now);
            if (Cell::kCell) {
                const Matrix<T> cells = k ? gates : n ? saved(p.chunks[n - 1]) : Matrix<T>{};
                const long at = k ? chunk.offset[k - 1] : n ? *(p.chunks[n - 1].offset.end() - 2) : 0;
                s.previous_cell = cells ? cells.right(Cell::kColumns * B).down(at) : c0;
            }
            s.mask = mask;
            s.scratch = scratch;
            s.d_output = d_output.down(now);
            s.seen = seen.down(now);
            s.d_gates = d_gates.down(now);
            s.d_hidden = d_h;
            s.d_cell = d_c;
            if (kBefore) s.reset = reset.down(now);
            s.d_mask = d_mask;
            s.d_peephole = total.peephole;
            if constexpr (kNorm) {
                s.normalised = s.gates.right(columns.state());
                s.scales = s.gates.right(columns.scales());
                s.d_products = d_products.down(now);
            }
            Cell::backward(w, s);
        }

        for (long j = 0; j < Cell::kColumns * B; ++j) {
            Vector<T> sum{};
            for (long i = 0; i < count; ++i) sum += d_gates.at(j, i);
            total.bias.at(j, 0) += sum;
        }
        if constexpr (kNorm) {
            for (int g = 0; g < Cell::kGates; ++g)
                add_product<T>(total.gain_hh.right(g * B), B, d_gates.right(recurrent_column<Cell>(g) * B),
                            gates.right(columns.state() + g * B), count);
            add_product<T>(total.gain_ih, Cell::kInputs * B, d_gates, gates.right(columns.input()), count);
            for_norms<Cell>(w, [&](long first, long width, int norm) {
                denormalise<T>(w, d_gates.right(first), d_gates.right(first), count, width,
                               gates.right(columns.input() + first),
                               gates.right(columns.scales() + Cell::kNorms + norm), w.gain_ih + first * kLanes<T>);
            });
        }
        const Matrix<T> d_state = kNorm ? d_products : d_gates.right(Cell::kRecurrent * B);
        const Matrix<T> d_candidate = kNorm ? d_products.right(2 * B) : d_gates;
        if (q.d_weight_ih) {
            gather(x, count, q.input_size, [&](long i) { return q.x + here[i] * q.input_size; });
            multiply_transposed<T>(total.weight_ih, q.input_size, Cell::kInputs * B, x, count, d_gates);
        }
        if (q.d_weight_hh) {
            const long width = kBefore ? 2 * B : Cell::kGates * B;
            multiply_transposed<T>(total.weight_hh, H, width, seen, count, d_state);
            if (kBefore) multiply_transposed<T>(total.weight_hh.right(2 * B), H, B, reset, count, d_candidate);
        }
        if (q.d_x) {
            multiply<T>(d_x, count, input_blocks, d_gates, {H, Cell::kInputs}, w.weight_ih, w.zeros);
            scatter(d_x, count, q.input_size, [&](long i) { return q.d_x + here[i] * q.input_size; });
        }
    }
    if (q.d_h0) scatter(d_h, rows, H, [&](long i) { return q.d_h0 + p.row[i] * H; });
    if (Cell::kCell && q.d_c0) scatter(d_c, rows, H, [&](long i) { return q.d_c0 + p.row[i] * H; });
    if (q.mask && q.d_mask) scatter(d_mask, rows, H, [&](long i) { return q.d_mask + p.row[i] * H; });
    for (long i = 0; q.d_x && i < rows; ++i) {
        T* row = q.d_x + p.row[i] * q.time * q.input_size;
        std::fill(row + p.length[i] * q.input_size, row + q.time * q.input_size, T(0));
    }
}

// gradient[gate, unit, i] = the sum over the threads, in their order, of the column that belongs to the gate.
template <class T, class Get>
void reduce(const std::vector<Gradients<T>>& parts, T* gradient, long hidden, long width, int gates, Get column) {
    constexpr int L = kLanes<T>;
    for (int g = 0; gradient && g < gates; ++g)
        for (long unit = 0; unit < hidden; ++unit) {
            T* to = gradient + (g * hidden + unit) * width;
            std::fill_n(to, width, T(0));
            for (const Gradients<T>& part : parts) {
                const Matrix<T> from = column(part, g).right(unit / L);
                for (long i = 0; i < width; ++i) to[i] += from.data[i * L + unit % L];
            }
        }
}

template <class Cell, class T>
void finish(const Call<T>& q, const std::vector<Gradients<T>>& parts) {
    const long H = q.hidden_size, B = blocks<T>(H);
    int place[4];  // the input's column of each gate
    for (int column = 0; column < Cell::kInputs; ++column) place[Cell::kOrder[column]] = column;
    using G = Gradients<T>;
    reduce(parts, q.d_weight_ih, H, q.input_size, Cell::kGates,
           [&](const G& g, int i) { return g.weight_ih.right(place[i] * B); });
    reduce(parts, q.d_bias_ih, H, 1, Cell::kGates, [&](const G& g, int i) { return g.bias.right(place[i] * B); });
    reduce(parts, q.d_weight_hh, H, H, Cell::kGates, [&](const G& g, int i) { return g.weight_hh.right(i * B); });
    reduce(parts, q.d_bias_hh, H, 1, Cell::kGates,
           [&](const G& g, int i) { return g.bias.right(recurrent_column<Cell>(i) * B); });
    reduce(parts, q.d_peephole, H, 1, 3, [&](const G& g, int i) { return g.peephole.right(i * B); });
    if constexpr (kNorm) {
        reduce(parts, q.d_gain_ih, H, 1, Cell::kGates,
               [&](const G& g, int i) { return g.gain_ih.right(place[i] * B); });
        reduce(parts, q.d_gain_hh, H, 1, Cell::kGates, [&](const G& g, int i) { return g.gain_hh.right(i * B); });
    }
}

}  // namespace gatebench
