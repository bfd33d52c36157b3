// Vectors as wide as the CPU's registers, and the activations on them. GCC and Clang vector extensions only:
// the compiler chooses the instructions, so the same source serves AVX-512, AVX2, SSE and NEON.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace gatebench {

#if defined(__AVX512F__)
constexpr int kBytes = 64, kTileRows = 8;
#elif defined(__AVX__)
constexpr int kBytes = 32, kTileRows = 4;
#else
constexpr int kBytes = 16, kTileRows = 4;
#endif

template <class T>
struct Types {
    using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    typedef T Vector __attribute__((vector_size(kBytes), may_alias));
    typedef T Unaligned __attribute__((vector_size(kBytes), aligned(sizeof(T)), may_alias));
    typedef Int Integers __attribute__((vector_size(kBytes), may_alias));
};

template <class T>
using Vector = typename Types<T>::Vector;
template <class T>
constexpr int kLanes = kBytes / sizeof(T);

// Written as a difference since compilers drop "- 0" but not "+ 0", which turns -0 into 0.
template <class T>
inline Vector<T> splat(T value) {
    return value - Vector<T>{};
}

template <class T>
inline Vector<T>& at(T* p) {
    return *reinterpret_cast<Vector<T>*>(p);
}

template <class T>
inline const Vector<T>& at(const T* p) {
    return *reinterpret_cast<const Vector<T>*>(p);
}

// Copies count < 2 * N numbers in pieces of constant size, which cost no call.
template <int N, class T>
inline void copy_few(T* to, const T* from, long count) {
    if (count & N) std::memcpy(to, from, N * sizeof(T)), to += N, from += N;
    if constexpr (N > 1) copy_few<N / 2>(to, from, count);
}

// The user's rows have any alignment, and their last vector may be a part of one.
template <class T>
inline Vector<T> load(const T* p, long count) {
    if (count >= kLanes<T>) return *reinterpret_cast<const typename Types<T>::Unaligned*>(p);
    alignas(kBytes) T few[kLanes<T>] = {};
    copy_few<kLanes<T> / 2>(few, p, count);
    return at(few);
}

template <class T>
inline void store(T* p, Vector<T> v, long count) {
    if (count >= kLanes<T>)
        *reinterpret_cast<typename Types<T>::Unaligned*>(p) = v;
    else
        copy_few<kLanes<T> / 2>(p, reinterpret_cast<const T*>(&v), count);
}

// exp(x) = 2^n exp(r) with |r| <= ln(2)/2 and a polynomial of degree 7 for exp(r) (Cephes, expf). A NaN stays one.
inline Vector<float> exp(Vector<float> x) {
    using Integers = Types<float>::Integers;
    x = x > 88.0f ? splat(88.0f) : x;
    x = x < -87.3f ? splat(-87.3f) : x;
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves no bits for a fraction
    Vector<float> n = (x * 1.44269504f + kRound) - kRound;
    Vector<float> r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    Vector<float> p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    Integers exponent = (__builtin_convertvector(n, Integers) + 127) << 23;
    return p * reinterpret_cast<Vector<float>&>(exponent);
}

// A rational function of degree 13 over 6 with the coefficients of Eigen's ptanh: it has no exponential and is off by
// 3e-7 at most, half of that from the clamp, beyond which tanh is 1 to the last digit but two.
inline Vector<float> tanh(Vector<float> x) {
    constexpr float kClamp = 7.90531110763549805f;
    x = x > kClamp ? splat(kClamp) : x;
    x = x < -kClamp ? splat(-kClamp) : x;
    const Vector<float> z = x * x;
    Vector<float> p = splat(-2.76076847742355e-16f);
    p = p * z + 2.00018790482477e-13f;
    p = p * z - 8.60467152213735e-11f;
    p = p * z + 5.12229709037114e-08f;
    p = p * z + 1.48572235717979e-05f;
    p = p * z + 6.37261928875436e-04f;
    p = p * z + 4.89352455891786e-03f;
    Vector<float> q = splat(1.19825839466702e-06f);
    q = q * z + 1.18534705686654e-04f;
    q = q * z + 2.26843463243900e-03f;
    q = q * z + 4.89352518554385e-03f;
    return x * p / q;
}

inline Vector<double> exp(Vector<double> x) {
    for (int i = 0; i < kLanes<double>; ++i) x[i] = std::exp(x[i]);
    return x;
}

inline Vector<double> tanh(Vector<double> x) {
    for (int i = 0; i < kLanes<double>; ++i) x[i] = std::tanh(x[i]);
    return x;
}

template <class V>
inline V sigmoid(V x) {
    return 1 / (1 + exp(-x));
}

}  // namespace gatebench
