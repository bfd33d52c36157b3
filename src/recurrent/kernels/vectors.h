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

template <class T>
inline Vector<T> splat(T value) {
    return Vector<T>{} + value;
}

template <class T>
inline Vector<T>& at(T* p) {
    return *reinterpret_cast<Vector<T>*>(p);
}

template <class T>
inline const Vector<T>& at(const T* p) {
    return *reinterpret_cast<const Vector<T>*>(p);
}

// The user's rows have any alignment, and their last vector may be a part of one.
template <class T>
inline Vector<T> load(const T* p, long count) {
    if (count >= kLanes<T>) return *reinterpret_cast<const typename Types<T>::Unaligned*>(p);
    Vector<T> v{};
    std::memcpy(&v, p, count * sizeof(T));
    return v;
}

template <class T>
inline void store(T* p, Vector<T> v, long count) {
    if (count >= kLanes<T>)
        *reinterpret_cast<typename Types<T>::Unaligned*>(p) = v;
    else
        std::memcpy(p, &v, count * sizeof(T));
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

// Below 0.625 a polynomial keeps the relative error small, above it 1 - 2/(exp(2|x|)+1) does (Cephes, tanhf).
inline Vector<float> tanh(Vector<float> x) {
    Vector<float> size = x < 0.0f ? -x : x;
    Vector<float> z = x * x;
    Vector<float> p = splat(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    Vector<float> near = p * z * x + x;
    Vector<float> far = 1.0f - 2.0f / (exp(size + size) + 1.0f);
    return size < 0.625f ? near : (x < 0.0f ? -far : far);
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
