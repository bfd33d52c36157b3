// The C interface: no header of Python or torch, so one build serves every version of either.
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <atomic>

#include "gru.h"
#include "layer.h"
#include "lstm.h"
#include "rnn.h"

namespace gatebench {

constexpr int kDone = 0, kOutOfMemory = 1, kBadLength = 2;

// Calls work(i) for every part, each on a thread of its own. One part stays on the calling thread and needs no
// OpenMP at all: its threads do not survive a fork.
template <class Work>
int in_parallel(int count, Work work) {
    std::atomic<int> status{kDone};
    auto guarded = [&](int i) {
        try {
            work(i);
        } catch (const std::bad_alloc&) {
            status = kOutOfMemory;
        }
    };
    if (count == 1) {
        guarded(0);
    } else {
#pragma omp parallel for schedule(static, 1) num_threads(count)
        for (int i = 0; i < count; ++i) guarded(i);
    }
    return status;
}

// Fresh memory costs a page fault for every 4 KiB, which at 100 MB takes longer than the computation on it.
template <class T>
void ask_for_huge_pages([[maybe_unused]] T* data, [[maybe_unused]] int64_t size) {
#ifdef MADV_HUGEPAGE
    constexpr uintptr_t kPage = 2 << 20;
    const auto first = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
    const auto last = reinterpret_cast<uintptr_t>(data + size) / kPage * kPage;
    if (data && first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

template <class Cell, class T>
int run_cell(const Call<T>& q, bool backwards) {
    try {
        Arena<T> arena;
        const int64_t steps = q.batch * q.time;
        ask_for_huge_pages(backwards ? q.d_x : q.output, steps * (backwards ? q.input_size : q.hidden_size));
        if (!backwards) ask_for_huge_pages(q.saved, steps * Saved<Cell>{blocks<T>(q.hidden_size)}.columns() * kLanes<T>);
        const std::vector<Part> parts = plan(q);
        const Layer<T> layer = prepare<Cell>(q, arena, backwards);
        const int count = static_cast<int>(parts.size());
        if (!backwards) return in_parallel(count, [&](int i) { forward<Cell>(q, layer, parts[i]); });
        std::vector<Gradients<T>> gradients(parts.size());
        const int status = in_parallel(count, [&](int i) { backward<Cell>(q, layer, parts[i], gradients[i]); });
        if (status == kDone) finish<Cell>(q, gradients);
        return status;
    } catch (const std::bad_alloc&) {
        return kOutOfMemory;
    }
}

template <class T>
int run(const Call<T>& q, bool backwards) {
    for (long i = 0; q.lengths && i < q.batch; ++i)
        if (q.lengths[i] < 1 || q.lengths[i] > q.time) return kBadLength;
    switch (q.kind) {
        case kGruAfter: return run_cell<Gru<true>>(q, backwards);
        case kGruBefore: return run_cell<Gru<false>>(q, backwards);
        case kLstm: return run_cell<Lstm<false>>(q, backwards);
#ifdef NORMALISED
        case kLstmCoupled: return run_cell<Lstm<true>>(q, backwards);
#endif
        default: return run_cell<Rnn>(q, backwards);
    }
}

template <class T>
void activate(const T* x, T* y, long size, int which) {
    for (long i = 0; i < size; i += kLanes<T>) {
        const Vector<T> v = load(x + i, size - i);
        store(y + i, which ? tanh(v) : sigmoid(v), size - i);
    }
}

}  // namespace gatebench

extern "C" {
// Each returns 0, 1 when there was not enough memory, 2 for a length outside 1..time.
int gatebench_run_float(const gatebench::Call<float>* q, int backwards) { return gatebench::run(*q, backwards); }
int gatebench_run_double(const gatebench::Call<double>* q, int backwards) { return gatebench::run(*q, backwards); }
// The activations by themselves, for the tests: 0 sigmoid, 1 tanh.
void gatebench_activate(const float* x, float* y, long size, int which) { gatebench::activate(x, y, size, which); }
int gatebench_vector_bytes() { return gatebench::kBytes; }
}
