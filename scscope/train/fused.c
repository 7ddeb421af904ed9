/* Runs the list of operations of a training step (program.py) on blocks of cells.
 *
 * Every operation works on the cells of one block. A block's values lie in an arena of its own, small
 * enough to stay in the cache between one operation and the next; a thread does its blocks one after
 * the other and adds up a gradient of its own, and only in the end the threads meet to add these up.
 *
 * All values are float; where a program names its `layers`, the factors of products are rounded to
 * bfloat16, and their sums are float. NaN is carried on: a comparison with it is false, so that `z < 0 ? 0 : z`
 * keeps it.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE__
#include <immintrin.h>
#endif

/* C = A B + beta C of Fortran's BLAS, column by column. */
typedef void Sgemm(const char *transpose_a, const char *transpose_b, const int *m, const int *n,
                   const int *k, const float *alpha, const float *a, const int *lda, const float *b,
                   const int *ldb, const float *beta, float *c, const int *ldc);

/* As in program.py, where each is explained. */
enum { ZERO, LOAD, FORWARD, RELU, OUTPUT, LAST_OUTPUT, FILL, OUTPUT_GRADIENT, BACKWARD, RELU_GRADIENT,
       FILL_GRADIENT, WEIGHT_GRADIENT, ZERO_WEIGHT, SAMPLED_OUTPUT };

/* Where a block has the values (n_cells, width) of one pass; the passes lie one after the other. */
typedef struct { int64_t offset; int32_t width, t; } Place;

typedef struct {
    int32_t kind, t;        /* which operation; which pass, or how many */
    Place out, a, b;        /* what it writes, and reads */
    const float *weight;    /* (out, in) of a layer */
    const float *bias;      /* (out,) */
    int64_t weight_gradient, bias_gradient; /* their places in the flat gradient */
    int32_t is_added;       /* the weight's gradient has begun already */
    int32_t layer;          /* which one */
} Operation;

enum { LANES = 16 };        /* floats of a vector register */
typedef uint32_t pair;      /* two bfloat16, the first in the lower half */

/* A weight as the right factor of products in bfloat16, see `multiply`. */
typedef struct {
    const float *weight;    /* (n_out, n_in) */
    pair *forward;          /* its transpose, summed over n_in */
    pair *backward;         /* summed over n_out */
    int32_t n_out, n_in;
} Layer;

typedef struct {
    const Operation *operations;
    int32_t n_forward, n_operations;
    int32_t n_passes, n_genes;
    int32_t use_mask, is_norm;
    int64_t n_weights;      /* length of the flat gradient */
    int64_t arena_size;     /* values of a block's arena */
    Sgemm *sgemm;
    const Layer *layers;    /* for products in bfloat16 */
    int32_t n_layers;       /* 0: products are in float */
    int64_t scratch_size;   /* pairs that a worker needs for the factors of a product */
} Program;

typedef struct {
    const float *x;         /* (n_cells, n_genes) of the minibatch: what is to be predicted */
    const float *input;     /* the same, or corrupted: what is shown to the network */
    int32_t n_cells;
    int32_t n_workers;      /* each has a gradient of its own */
    int32_t n_blocks;       /* a multiple of n_workers */
    int32_t is_joint;       /* all blocks share one arena */
    float *arenas;          /* (1, n_workers or n_blocks, arena_size) */
    float *gradient;        /* (n_weights,), that of the first worker and in the end of all */
    float *partial;         /* (n_workers - 1, n_weights), of the others */
    double *squares;        /* (n_blocks, n_passes), sum of squared errors */
    float *scale;           /* (n_passes,), by what an error is multiplied to be a gradient */
    pair *scratch;          /* (n_workers, scratch_size) */
} Minibatch;

/* The cells of a block that an operation works on, and where their things are. */
typedef struct {
    int first, last;        /* cells first <= i < last of the block */
    int n_cells;            /* of the block */
    int is_fresh;           /* nothing is in `gradient` yet */
    const float *x;         /* (n_cells, n_genes) */
    const float *input;     /* (n_cells, n_genes) */
    float *arena;
    float *gradient;
    double *squares;
    const float *scale;
    pair *scratch;
} Block;

static float *at(const Block *block, Place place) {
    return block->arena + place.offset + (int64_t)place.t * block->n_cells * place.width;
}

static float *row(const Block *block, Place place, int i) {
    return at(block, place) + (int64_t)i * place.width;
}

static const float *x_of(const Block *block, int i, Place like) {
    return block->x + (int64_t)i * like.width;
}

static const float *input_of(const Block *block, int i, Place like) {
    return block->input + (int64_t)i * like.width;
}

/* ---- element-wise passes ---- */

static inline float relu_of(float z) { return z < 0 ? 0 : z; }

/* Only observed entries count, unless there is no mask. */
static inline float error_of(float y, float x, int use_mask) { return use_mask && x == 0 ? 0 : y - x; }

static void load(Block *block, Place out) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict to = row(block, out, i);
        const float *restrict x = input_of(block, i, out);
        for (int j = 0; j < out.width; j++) to[j] = x[j];
    }
    if (block->x == block->input) block->x = at(block, out); /* nearer than where it came from */
    block->input = at(block, out);
}

static void relu(const Block *block, Place out, const float *restrict bias) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict z = row(block, out, i);
        for (int j = 0; j < out.width; j++) z[j] = relu_of(z[j] + bias[j]);
    }
}

static void output(const Block *block, Place out, const float *restrict bias, int use_mask, double *squares) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict z = row(block, out, i);
        const float *restrict x = x_of(block, i, out);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < out.width; j++) {
            const float y = relu_of(z[j] + bias[j]), error = error_of(y, x[j], use_mask);
            z[j] = y;
            sum += error * error;
        }
        *squares += sum;
    }
}

static void output_gradient(const Block *block, Place out, Place value, int is_imputed, float scale,
                            int use_mask, float *restrict bias_gradient) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict g = row(block, out, i);
        const float *restrict y = row(block, value, i);
        const float *restrict x = x_of(block, i, out);
        for (int j = 0; j < out.width; j++) {
            const float slope = scale * error_of(y[j], x[j], use_mask) + (is_imputed ? g[j] : 0);
            const float gradient = y[j] > 0 ? slope : 0;
            g[j] = gradient;
            bias_gradient[j] += gradient;
        }
    }
}

/* Both in one, where nothing else needs y. */
static void last_output(const Block *block, Place out, const float *restrict bias, float scale, int use_mask,
                        double *squares, float *restrict bias_gradient) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict z = row(block, out, i);
        const float *restrict x = x_of(block, i, out);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < out.width; j++) {
            const float y = relu_of(z[j] + bias[j]), error = error_of(y, x[j], use_mask);
            const float gradient = y > 0 ? scale * error : 0;
            z[j] = gradient;
            bias_gradient[j] += gradient;
            sum += error * error;
        }
        *squares += sum;
    }
}

static void fill(const Block *block, Place out, const float *restrict bias) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict z = row(block, out, i);
        const float *restrict x = input_of(block, i, out);
        for (int j = 0; j < out.width; j++) z[j] = x[j] == 0 ? relu_of(z[j] + bias[j]) : x[j];
    }
}

static void relu_gradient(const Block *block, Place out, Place a, float *restrict bias_gradient) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict g = row(block, out, i);
        const float *restrict value = row(block, a, i);
        for (int j = 0; j < out.width; j++) {
            float gradient = value[j] > 0 ? g[j] : 0;
            g[j] = gradient;
            bias_gradient[j] += gradient;
        }
    }
}

static void fill_gradient(const Block *block, Place out, Place filled, float *restrict bias_gradient) {
    for (int i = block->first; i < block->last; i++) {
        float *restrict g = row(block, out, i);
        const float *restrict value = row(block, filled, i);
        const float *restrict x = input_of(block, i, out);
        for (int j = 0; j < out.width; j++) {
            float gradient = (x[j] == 0) & (value[j] > 0) ? g[j] : 0;
            g[j] = gradient;
            bias_gradient[j] += gradient;
        }
    }
}

/* ---- products in bfloat16 ----
 *
 * An instruction adds two products at once to each of 16 sums. So both factors are kept as pairs of
 * neighbours along the dimension that is summed over. Of the left one, a pair at a time is spread over a
 * register: it may lie anyhow. The right one has a row for each pair, padded to whole registers.
 */

static int halves(int n) { return (n + 1) / 2; }
static int padded(int n) { return (n + LANES - 1) / LANES * LANES; }

/* Pairs of a right factor (k, n). */
int64_t right_size(int k, int n) { return (int64_t)halves(k) * padded(n); }

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
int has_bfloat16(void) { return 1; }

static __mmask16 first_lanes(int n) { return n <= 0 ? 0 : n < LANES ? (1 << n) - 1 : 0xffff; }

static __m512i round_both(__m512 lower, __m512 upper) { return (__m512i)_mm512_cvtne2ps_pbh(upper, lower); }

/* Pairs of neighbours in a row: 16 of them, or what there is of n values. */
static __m512i neighbours(const float *row, int n) {
    return round_both(_mm512_maskz_loadu_ps(first_lanes(n), row),
                      _mm512_maskz_loadu_ps(first_lanes(n - LANES), row + LANES));
}

static void pair_in_row(const float *row, int n, pair *to) {
    for (int j = 0; j < n; j += 2 * LANES)
        _mm512_mask_storeu_epi32(to + j / 2, first_lanes(halves(n - j)), neighbours(row + j, n - j));
}

/* Pairs of what two rows have in the same column; `odd` is NULL where there is none. */
static void pair_two_rows(const float *even, const float *odd, int n, pair *to) {
    __m512i order = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    order = _mm512_or_epi32(order, _mm512_slli_epi32(_mm512_add_epi32(order, _mm512_set1_epi32(LANES)), 16));
    for (int j = 0; j < n; j += LANES) {
        const __mmask16 is_there = first_lanes(n - j);
        const __m512i both = round_both(_mm512_maskz_loadu_ps(is_there, even + j),
                                        _mm512_maskz_loadu_ps(odd ? is_there : 0, odd + j));
        _mm512_storeu_si512(to + j, _mm512_permutexvar_epi16(order, both));
    }
}

/* 16 rows of 16 pairs become 16 columns: four times, neighbouring blocks of half the size are swapped. */
static void transpose(__m512i *rows) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#pragma GCC unroll 4
    for (int size = LANES / 2; size > 0; size /= 2) {
        const __mmask16 is_upper = _mm512_test_epi32_mask(lanes, _mm512_set1_epi32(size));
        const __m512i upper = _mm512_add_epi32(lanes, _mm512_set1_epi32(size));
        const __m512i lower = _mm512_sub_epi32(lanes, _mm512_set1_epi32(size));
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            if (i & size) continue;
            const __m512i a = rows[i], b = rows[i + size];
            rows[i] = _mm512_mask_permutexvar_epi32(a, is_upper, lower, b);
            rows[i + size] = _mm512_mask_permutexvar_epi32(b, ~is_upper, upper, a);
        }
    }
}

/* Up to 16 rows of a weight as columns of pairs. */
static void pair_columns(const float *weight, int n_rows, int n, int stride, pair *to) {
    for (int j = 0; j < n; j += 2 * LANES) {
        __m512i rows[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            rows[i] = neighbours(weight + (int64_t)i * n + j, i < n_rows ? n - j : 0);
        transpose(rows);
        const int n_pairs = halves(n - j) < LANES ? halves(n - j) : LANES;
        for (int i = 0; i < n_pairs; i++) _mm512_storeu_si512(to + (int64_t)(j / 2 + i) * stride, rows[i]);
    }
}

enum { MOST_VECTORS = 3, DEPTH = 128 }; /* the part of b that a tile reads stays in the cache nearest */

/* `multiply` for m rows and v vectors of c, constants where this is called: the sums stay in registers. */
static inline __attribute__((always_inline)) void tile(
        const int m, const int v, int k, const pair *a, int64_t a_row, int64_t a_pair, const pair *b,
        int64_t b_pair, float *c, int64_t c_row, __mmask16 last, int is_added) {
    __m512 sums[8][MOST_VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
#pragma GCC unroll 3
        for (int j = 0; j < v; j++)
            sums[i][j] = _mm512_maskz_loadu_ps(!is_added ? 0 : j == v - 1 ? last : 0xffff,
                                               c + i * c_row + LANES * j);
    for (int p = 0; p < k; p++) {
        __m512bh right[MOST_VECTORS];
#pragma GCC unroll 3
        for (int j = 0; j < v; j++) right[j] = (__m512bh)_mm512_loadu_si512(b + p * b_pair + LANES * j);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            const __m512bh left = (__m512bh)_mm512_set1_epi32(a[i * a_row + p * a_pair]);
#pragma GCC unroll 3
            for (int j = 0; j < v; j++) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], left, right[j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
#pragma GCC unroll 3
        for (int j = 0; j < v; j++)
            _mm512_mask_storeu_ps(c + i * c_row + LANES * j, j == v - 1 ? last : 0xffff, sums[i][j]);
}

/* c (m, n) = a b, or += a b, summed over k pairs. Pair p of row i of a is a[i * a_row + p * a_pair], that
 * of column j of b is b[p * padded(n) + j]. */
static void multiply(int m, int n, int k, const pair *a, int64_t a_row, int64_t a_pair, const pair *b,
                     float *c, int is_added) {
    for (int p = 0; p == 0 || p < k; p += DEPTH) {
        const int depth = k - p < DEPTH ? k - p : DEPTH;
        for (int j = 0, v; j < n; j += LANES * v) {
            const int left = padded(n - j) / LANES;
            v = left == 4 ? 2 : left < MOST_VECTORS ? left : MOST_VECTORS; /* 2 + 2 rather than 3 + 1 */
            const __mmask16 last = first_lanes(n - j - LANES * (v - 1));
            for (int i = 0, rows; i < m; i += rows) {
                rows = m - i >= 8 ? 8 : m - i >= 4 ? 4 : m - i >= 2 ? 2 : 1;
#define TILE(ROWS, VECTORS)                                                                            \
    case 4 * ROWS + VECTORS:                                                                           \
        tile(ROWS, VECTORS, depth, a + i * a_row + p * a_pair, a_row, a_pair,                          \
             b + (int64_t)p * padded(n) + j, padded(n), c + (int64_t)i * n + j, n, last, is_added || p); \
        break;
                switch (4 * rows + v) {
                    TILE(8, 1) TILE(8, 2) TILE(8, 3)
                    TILE(4, 1) TILE(4, 2) TILE(4, 3)
                    TILE(2, 1) TILE(2, 2) TILE(2, 3)
                    TILE(1, 1) TILE(1, 2) TILE(1, 3)
                }
#undef TILE
            }
        }
    }
}
#else
/* The same without such instructions: it is slow, but rounds alike. */
int has_bfloat16(void) { return 0; }

static pair rounded(float value) { /* to nearest, ties to even */
    union { float value; uint32_t bits; } u = {value};
    return value != value ? 0x7fc0 : (u.bits + 0x7fff + ((u.bits >> 16) & 1)) >> 16;
}

static float lower(pair both) {
    union { uint32_t bits; float value; } u = {both << 16};
    return u.value;
}

static float upper(pair both) { return lower(both >> 16); }

static void pair_in_row(const float *row, int n, pair *to) {
    for (int j = 0; j < n; j += 2) to[j / 2] = rounded(row[j]) | (j + 1 < n ? rounded(row[j + 1]) << 16 : 0);
}

static void pair_two_rows(const float *even, const float *odd, int n, pair *to) {
    for (int j = 0; j < n; j++) to[j] = rounded(even[j]) | (odd ? rounded(odd[j]) << 16 : 0);
}

static void pair_columns(const float *weight, int n_rows, int n, int stride, pair *to) {
    for (int i = 0; i < n_rows; i++)
        for (int p = 0; p < halves(n); p++)
            pair_in_row(weight + (int64_t)i * n + 2 * p, n - 2 * p < 2 ? 1 : 2, to + (int64_t)p * stride + i);
}

static void multiply(int m, int n, int k, const pair *a, int64_t a_row, int64_t a_pair, const pair *b,
                     float *c, int is_added) {
    for (int i = 0; i < m; i++) {
        float *restrict sums = c + (int64_t)i * n;
        if (!is_added) memset(sums, 0, sizeof(float) * n);
        for (int p = 0; p < k; p++) {
            const pair left = a[i * a_row + p * a_pair], *right = b + (int64_t)p * padded(n);
            for (int j = 0; j < n; j++)
                sums[j] += lower(left) * lower(right[j]) + upper(left) * upper(right[j]);
        }
    }
}
#endif

/* The right factor that has these rows (n_rows, n), summed over them. */
static void pair_rows(const float *rows, int n_rows, int n, pair *to) {
    for (int i = 0; i < n_rows; i += 2)
        pair_two_rows(rows + (int64_t)i * n, i + 1 < n_rows ? rows + (int64_t)(i + 1) * n : NULL, n,
                  to + (int64_t)i / 2 * padded(n));
}

/* All weights as right factors; each worker does some rows of each. */
static void pair_weights(const Program *program, const Minibatch *batch) {
    const int n = batch->n_workers;
#pragma omp parallel for schedule(static, 1) num_threads(n) if (n > 1)
    for (int worker = 0; worker < n; worker++)
        for (int l = 0; l < program->n_layers; l++) {
            const Layer *layer = program->layers + l;
            const int n_out = layer->n_out, n_in = layer->n_in, parts = padded(n_out) / LANES;
            const int end = parts * (worker + 1) / n * LANES, last = end < n_out ? end : n_out;
            for (int i = parts * worker / n * LANES; i < last; i += LANES) {
                const int n_rows = last - i < LANES ? last - i : LANES;
                const float *rows = layer->weight + (int64_t)i * n_in;
                pair_columns(rows, n_rows, n_in, padded(n_out), layer->forward + i);
                pair_rows(rows, n_rows, n_in, layer->backward + (int64_t)i / 2 * padded(n_in));
            }
        }
}

static void rounded_product(const Program *program, const Operation *op, const Block *block) {
    const Layer *layer = program->layers + op->layer;
    const int n_out = layer->n_out, n_in = layer->n_in, rows = block->n_cells;
    pair *a = block->scratch;
    if (op->kind == FORWARD) {
        for (int i = 0; i < rows; i++) pair_in_row(row(block, op->a, i), n_in, a + i * halves(n_in));
        multiply(rows, n_out, halves(n_in), a, halves(n_in), 1, layer->forward, at(block, op->out), 0);
    } else if (op->kind == BACKWARD) {
        for (int i = 0; i < rows; i++) pair_in_row(row(block, op->a, i), n_out, a + i * halves(n_out));
        multiply(rows, n_in, halves(n_out), a, halves(n_out), 1, layer->backward, at(block, op->out), 0);
    } else {
        const int all = op->t * rows;
        pair *b = a + right_size(all, n_in);
        pair_rows(at(block, op->a), all, n_in, a);
        pair_rows(at(block, op->b), all, n_out, b);
        multiply(n_out, n_in, halves(all), b, 1, padded(n_out), a, block->gradient + op->weight_gradient,
                 !block->is_fresh || op->is_added);
    }
}

/* ---- products ---- */

static void product(const Program *program, const Operation *op, const Block *block) {
    if (program->n_layers) {
        rounded_product(program, op, block);
        return;
    }
    const float one = 1, zero = 0;
    const int n_in = op->kind == BACKWARD ? op->out.width : op->a.width;
    const int n_out = op->kind == FORWARD ? op->out.width : op->kind == BACKWARD ? op->a.width : op->b.width;
    const int rows = block->n_cells;
    if (op->kind == FORWARD) { /* out (rows, n_out) = a weight^T */
        program->sgemm("T", "N", &n_out, &rows, &n_in, &one, op->weight, &n_in, at(block, op->a), &n_in, &zero,
                       at(block, op->out), &n_out);
    } else if (op->kind == BACKWARD) { /* out (rows, n_in) = a weight */
        program->sgemm("N", "N", &n_in, &rows, &n_out, &one, op->weight, &n_in, at(block, op->a), &n_out, &zero,
                       at(block, op->out), &n_in);
    } else { /* gradient (n_out, n_in) += b^T a, over the cells of all passes */
        const int all = op->t * rows;
        program->sgemm("N", "T", &n_in, &n_out, &all, &one, at(block, op->a), &n_in, at(block, op->b), &n_out,
                       block->is_fresh && !op->is_added ? &zero : &one, block->gradient + op->weight_gradient,
                       &n_in);
    }
}

/* ---- the last output where few entries are observed ---- */

#ifdef __AVX512F__
enum { MOST_REGISTERS = 8, GROUP = 16 };

/* Whether there is `sampled_output` for a last layer with so many inputs. */
int can_sample(int n_in) { return n_in <= LANES * MOST_REGISTERS; }

/* Columns of a row where it is not 0, their values, and their number. */
static int observed(const float *x, int n, int32_t *columns, float *values) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int count = 0;
    for (int j = 0; j < n; j += LANES) {
        const __mmask16 is_there = n - j < LANES ? (1 << (n - j)) - 1 : 0xffff;
        const __m512 value = _mm512_maskz_loadu_ps(is_there, x + j);
        const __m512i column = _mm512_add_epi32(lanes, _mm512_set1_epi32(j));
        const __mmask16 is = _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        _mm512_storeu_si512(columns + count, _mm512_maskz_compress_epi32(is, column));
        _mm512_storeu_ps(values + count, _mm512_maskz_compress_ps(is, value));
        count += __builtin_popcount(is);
    }
    return count;
}

/* Of the last pass nothing but the error at observed entries is needed: the product with a row of
 * the weight gives the output there, and two more the gradients of this row and of what was fed.
 * `n` is a constant where this is called: h of a cell, and its gradient, stay in n registers. */
static inline __attribute__((always_inline)) void sampled_row(
        const int n, const Program *program, const Operation *op, const Block *block, int i, int32_t *columns,
        float *values) {
    const int n_in = op->a.width;
    const __mmask16 tail = 0xffff >> (LANES * n - n_in);
    const float *h = row(block, op->a, i), scale = block->scale[op->t];
    float *g = row(block, op->out, i);
    float *weight_gradient = block->gradient + op->weight_gradient;
    float *bias_gradient = block->gradient + op->bias_gradient, squares = 0;
    __m512 fed[MOST_REGISTERS], gradient[MOST_REGISTERS];
    for (int k = 0; k < n; k++) {
        fed[k] = _mm512_maskz_loadu_ps(k == n - 1 ? tail : 0xffff, h + LANES * k);
        gradient[k] = _mm512_setzero_ps();
    }
    const int count = observed(block->x + (int64_t)i * program->n_genes, program->n_genes, columns, values);
    for (int first = 0; first < count; first += GROUP) {
        const int some = count - first < GROUP ? count - first : GROUP;
        float slopes[GROUP];
        for (int e = 0; e < some; e++) {
            const float *w = op->weight + (int64_t)columns[first + e] * n_in;
            __m512 products = _mm512_setzero_ps();
            for (int k = 0; k < n; k++)
                products = _mm512_fmadd_ps(
                    fed[k], _mm512_maskz_loadu_ps(k == n - 1 ? tail : 0xffff, w + LANES * k), products);
            slopes[e] = _mm512_reduce_add_ps(products) + op->bias[columns[first + e]];
        }
#pragma omp simd reduction(+ : squares)
        for (int e = 0; e < some; e++) {
            const float y = relu_of(slopes[e]), error = y - values[first + e];
            slopes[e] = y > 0 ? scale * error : 0;
            squares += error * error;
        }
        for (int e = 0; e < some; e++) {
            const int64_t j = columns[first + e];
            const float *w = op->weight + j * n_in;
            float *to = weight_gradient + j * n_in;
            const __m512 slope = _mm512_set1_ps(slopes[e]);
            for (int k = 0; k < n; k++) {
                const __mmask16 is_there = k == n - 1 ? tail : 0xffff;
                gradient[k] = _mm512_fmadd_ps(slope, _mm512_maskz_loadu_ps(is_there, w + LANES * k), gradient[k]);
                const __m512 before = _mm512_maskz_loadu_ps(is_there, to + LANES * k);
                _mm512_mask_storeu_ps(to + LANES * k, is_there, _mm512_fmadd_ps(slope, fed[k], before));
            }
            bias_gradient[j] += slopes[e];
        }
    }
    for (int k = 0; k < n; k++) _mm512_mask_storeu_ps(g + LANES * k, k == n - 1 ? tail : 0xffff, gradient[k]);
    block->squares[op->t] += squares;
}

static void sampled_output(const Program *program, const Operation *op, const Block *block) {
    int32_t columns[program->n_genes + LANES];
    float values[program->n_genes + LANES];
    for (int i = block->first; i < block->last; i++) switch ((op->a.width + LANES - 1) / LANES) {
        case 1: sampled_row(1, program, op, block, i, columns, values); break;
        case 2: sampled_row(2, program, op, block, i, columns, values); break;
        case 3: sampled_row(3, program, op, block, i, columns, values); break;
        case 4: sampled_row(4, program, op, block, i, columns, values); break;
        case 5: sampled_row(5, program, op, block, i, columns, values); break;
        case 6: sampled_row(6, program, op, block, i, columns, values); break;
        case 7: sampled_row(7, program, op, block, i, columns, values); break;
        case 8: sampled_row(8, program, op, block, i, columns, values); break;
    }
}
#else
int can_sample(int n_in) { return 0; }
static void sampled_output(const Program *program, const Operation *op, const Block *block) {}
#endif

/* ---- the step ---- */

static void execute(const Program *program, const Operation *op, Block *block) {
    float *gradient = block->gradient + op->bias_gradient;
    switch (op->kind) {
        case ZERO: if (block->is_fresh) memset(gradient, 0, sizeof(float) * op->out.width); break;
        case ZERO_WEIGHT:
            if (block->is_fresh)
                memset(block->gradient + op->weight_gradient, 0, sizeof(float) * op->out.width * op->a.width);
            break;
        case SAMPLED_OUTPUT: sampled_output(program, op, block); break;
        case LOAD: load(block, op->out); break;
        case RELU: relu(block, op->out, op->bias); break;
        case OUTPUT: output(block, op->out, op->bias, program->use_mask, block->squares + op->t); break;
        case FILL: fill(block, op->out, op->bias); break;
        case OUTPUT_GRADIENT:
            output_gradient(block, op->out, op->a, op->t < program->n_passes - 1, block->scale[op->t],
                            program->use_mask, gradient);
            break;
        case LAST_OUTPUT:
            last_output(block, op->out, op->bias, block->scale[op->t], program->use_mask,
                        block->squares + op->t, gradient);
            break;
        case RELU_GRADIENT: relu_gradient(block, op->out, op->a, gradient); break;
        case FILL_GRADIENT: fill_gradient(block, op->out, op->a, gradient); break;
        default: product(program, op, block);
    }
}

/* The cells that are a worker's k-th share of the minibatch. */
static Block block_of(const Program *program, const Minibatch *batch, int worker, int k) {
    const int64_t n = batch->n_cells;
    const int b = worker * batch->n_blocks / batch->n_workers + k;
    const int first = n * b / batch->n_blocks, last = n * (b + 1) / batch->n_blocks;
    Block block = {
        .first = 0,
        .last = last - first,
        .n_cells = last - first,
        .is_fresh = k == 0,
        .x = batch->x + (int64_t)first * program->n_genes,
        .input = batch->input + (int64_t)first * program->n_genes,
        /* A norm is known only when all blocks are through: each needs to keep its values till then. */
        .arena = batch->arenas + (program->is_norm ? b : worker) * program->arena_size,
        .gradient = worker ? batch->partial + (worker - 1) * program->n_weights : batch->gradient,
        .squares = batch->squares + b * program->n_passes,
        .scale = batch->scale,
        .scratch = batch->scratch + worker * program->scratch_size,
    };
    if (batch->is_joint) { /* one arena for all, of which a worker does a part */
        block.first = first;
        block.last = last;
        block.n_cells = n;
        block.x = batch->x;
        block.input = batch->input;
        block.arena = batch->arenas;
    }
    return block;
}

/* Take numbers below 1e-38 for 0: moments of weights that no longer learn decay to them, and a CPU
 * is ten times slower with them. Gives what `restore` needs. */
static unsigned flush_denormals(void) {
#ifdef __SSE__
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* results, and what is read */
    return before;
#else
    return 0;
#endif
}

static void restore(unsigned before) {
#ifdef __SSE__
    _mm_setcsr(before);
#endif
}

/* Operations first <= o < last of all cells. Workers are threads, where there are so many: what is
 * computed depends on the number of workers alone. */
void run(const Program *program, const Minibatch *batch, int first, int last) {
#pragma omp parallel for schedule(static, 1) num_threads(batch->n_workers) if (batch->n_workers > 1)
    for (int worker = 0; worker < batch->n_workers; worker++) {
        const unsigned before = flush_denormals();
        for (int k = 0; k < batch->n_blocks / batch->n_workers; k++) {
            Block block = block_of(program, batch, worker, k);
            for (int o = first; o < last; o++) execute(program, program->operations + o, &block);
        }
        restore(before);
    }
}

/* Loss so far. Sets by what the errors of a pass are multiplied to give its gradient: 2/n for squared
 * errors averaged over cells, 1/norm for the norm (0 where it is 0, as torch has it). */
double loss(const Program *program, const Minibatch *batch) {
    double total = 0;
    for (int t = 0; t < program->n_passes; t++) {
        double squares = 0;
        for (int b = 0; b < batch->n_blocks; b++) squares += batch->squares[b * program->n_passes + t];
        const double norm = sqrt(squares);
        batch->scale[t] = !program->is_norm ? 2.0 / batch->n_cells : norm == 0 ? 0 : 1 / norm;
        total += program->is_norm ? norm : squares / batch->n_cells;
    }
    return total;
}

/* Share of values that are not 0, of every eighth cell. */
double density(const Program *program, const Minibatch *batch) {
    int64_t observed = 0, seen = 0;
    for (int i = 0; i < batch->n_cells; i += 8, seen += program->n_genes)
        for (int j = 0; j < program->n_genes; j++)
            observed += batch->x[(int64_t)i * program->n_genes + j] != 0;
    return (double)observed / seen;
}

/* Forget the last minibatch. */
void begin(const Program *program, const Minibatch *batch) {
    memset(batch->squares, 0, sizeof(double) * batch->n_blocks * program->n_passes);
    loss(program, batch);
}

/* Add the gradients of all workers to that of the first. Two are not worth the threads' meeting. */
void add_up(const Program *program, const Minibatch *batch) {
    const int n = batch->n_workers;
#pragma omp parallel for schedule(static, 1) num_threads(n) if (n > 2)
    for (int worker = 0; worker < n; worker++) {
        const int64_t first = program->n_weights * worker / n, last = program->n_weights * (worker + 1) / n;
        for (int other = 0; other < n - 1; other++) {
            const float *restrict partial = batch->partial + other * program->n_weights;
            float *restrict gradient = batch->gradient;
            for (int64_t i = first; i < last; i++) gradient[i] += partial[i];
        }
    }
}

/* Loss and gradient of a minibatch. */
double step(const Program *program, const Minibatch *batch) {
    begin(program, batch);
    if (program->n_layers) pair_weights(program, batch);
    if (program->is_norm) {
        run(program, batch, 0, program->n_forward);
        loss(program, batch);
        run(program, batch, program->n_forward, program->n_operations);
    } else {
        run(program, batch, 0, program->n_operations);
    }
    add_up(program, batch);
    return loss(program, batch);
}

/* Step of Adam (Kingma and Ba 2015); `rate` corrects the biases of both moments. */
void adam(float *restrict weights, const float *restrict gradient, float *restrict mean, float *restrict square,
          int64_t size, int n, double rate, double beta1, double beta2, double epsilon) {
    const float step = rate, decay = 1 - beta1, keep = beta2, add = 1 - beta2, least = epsilon;
#pragma omp parallel for schedule(static, 1) num_threads(n) if (n > 1)
    for (int worker = 0; worker < n; worker++) {
        const unsigned before = flush_denormals();
        for (int64_t i = size * worker / n; i < size * (worker + 1) / n; i++) {
            mean[i] += decay * (gradient[i] - mean[i]);
            square[i] = keep * square[i] + add * gradient[i] * gradient[i];
            weights[i] -= step * mean[i] / (sqrtf(square[i]) + least);
        }
        restore(before);
    }
}
