/* The step of scscope/train/fused.py: runs its list of operations on blocks of cells.
 *
 * Every operation works on the cells of one block. A block's values lie in an arena of its own, small
 * enough to stay in the cache between one operation and the next; a thread does its blocks one after
 * the other and adds up a gradient of its own, and only in the end the threads meet to add these up.
 *
 * Compiled twice: values between operations are float, or, with -DBFLOAT16, bfloat16. What is
 * computed from them is float in both. NaN is carried on: a comparison with it is false, so that
 * `z < 0 ? 0 : z` keeps it.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef BFLOAT16
typedef uint16_t real;
static inline float get(real value) {
    union { uint32_t bits; float value; } u = {(uint32_t)value << 16};
    return u.value;
}
static inline real put(float value) { /* round to nearest, ties to even */
    union { float value; uint32_t bits; } u = {value};
    uint32_t rounded = (u.bits + 0x7fff + ((u.bits >> 16) & 1)) >> 16;
    return value != value ? 0x7fc0 : (real)rounded;
}
#else
typedef float real;
static inline float get(real value) { return value; }
static inline real put(float value) { return value; }
#endif

/* C = A B + beta C of Fortran's BLAS, column by column. */
typedef void Sgemm(const char *transpose_a, const char *transpose_b, const int *m, const int *n,
                   const int *k, const float *alpha, const float *a, const int *lda, const float *b,
                   const int *ldb, const float *beta, float *c, const int *ldc);

/* In the order of `KINDS` in fused.py, where each is explained. */
enum { ZERO, LOAD, FORWARD, RELU, OUTPUT, FILL, OUTPUT_GRADIENT, BACKWARD, RELU_GRADIENT, FILL_GRADIENT,
       WEIGHT_GRADIENT };

/* Where a block has the values (n_cells, width) of one pass; the passes lie one after the other. */
typedef struct { int64_t offset; int32_t width, t; } Place;

typedef struct {
    int32_t kind, t;        /* which operation; which pass, or how many */
    Place out, a, b;        /* what it writes, and reads */
    const float *weight;    /* (out, in) of a layer */
    const float *bias;      /* (out,) */
    int64_t gradient;       /* of the weight or bias: place in the flat gradient */
} Operation;

typedef struct {
    const Operation *operations;
    int32_t n_forward, n_operations;
    int32_t n_passes, n_genes;
    int32_t use_mask, is_norm;
    int64_t n_weights;      /* length of the flat gradient */
    int64_t arena_size;     /* values of a block's arena */
    Sgemm *sgemm;
} Program;

typedef struct {
    const float *x;         /* (n_cells, n_genes) of the minibatch */
    int32_t n_cells;
    int32_t n_workers;      /* each has a gradient of its own */
    int32_t n_blocks;       /* a multiple of n_workers */
    int32_t is_joint;       /* all blocks share one arena */
    real *arenas;           /* (1, n_workers or n_blocks, arena_size) */
    float *gradient;        /* (n_weights,), that of the first worker and in the end of all */
    float *partial;         /* (n_workers - 1, n_weights), of the others */
    double *squares;        /* (n_blocks, n_passes), sum of squared errors */
    float *scale;           /* (n_passes,), by what an error is multiplied to be a gradient */
} Minibatch;

/* The cells of a block that an operation works on, and where their things are. */
typedef struct {
    int first, last;        /* cells first <= i < last of the block */
    int n_cells;            /* of the block */
    int is_fresh;           /* nothing is in `gradient` yet */
    const float *x;         /* (n_cells, n_genes) */
    real *arena;
    float *gradient;
    double *squares;
    const float *scale;
} Block;

static real *at(const Block *block, Place place) {
    return block->arena + place.offset + (int64_t)place.t * block->n_cells * place.width;
}

static real *row(const Block *block, Place place, int i) {
    return at(block, place) + (int64_t)i * place.width;
}

/* ---- element-wise passes ---- */

static void load(const Block *block, Place out) {
    for (int i = block->first; i < block->last; i++) {
        real *restrict to = row(block, out, i);
        const float *restrict x = block->x + (int64_t)i * out.width;
        for (int j = 0; j < out.width; j++) to[j] = put(x[j]);
    }
}

static void relu(const Block *block, Place out, const float *restrict bias) {
    for (int i = block->first; i < block->last; i++) {
        real *restrict z = row(block, out, i);
        for (int j = 0; j < out.width; j++) {
            float value = get(z[j]) + bias[j];
            z[j] = put(value < 0 ? 0 : value);
        }
    }
}

static void output(const Block *block, Place out, const float *restrict bias, int use_mask, double *squares) {
    double total = 0;
    for (int i = block->first; i < block->last; i++) {
        real *restrict z = row(block, out, i);
        const float *restrict x = block->x + (int64_t)i * out.width;
        float sums[16] = {0};
        int j = 0;
        for (; j + 16 <= out.width; j += 16)
            for (int lane = 0; lane < 16; lane++) {
                float value = get(z[j + lane]) + bias[j + lane];
                value = value < 0 ? 0 : value;
                z[j + lane] = put(value);
                float error = value - x[j + lane];
                error = use_mask && x[j + lane] == 0 ? 0 : error;
                sums[lane] += error * error;
            }
        for (; j < out.width; j++) {
            float value = get(z[j]) + bias[j];
            value = value < 0 ? 0 : value;
            z[j] = put(value);
            float error = value - x[j];
            error = use_mask && x[j] == 0 ? 0 : error;
            sums[0] += error * error;
        }
        for (int lane = 0; lane < 16; lane++) total += sums[lane];
    }
    *squares += total;
}

static void fill(const Block *block, Place out, const float *restrict bias) {
    for (int i = block->first; i < block->last; i++) {
        real *restrict z = row(block, out, i);
        const float *restrict x = block->x + (int64_t)i * out.width;
        for (int j = 0; j < out.width; j++) {
            float value = get(z[j]) + bias[j];
            value = value < 0 ? 0 : value;
            z[j] = put(x[j] == 0 ? value : x[j]);
        }
    }
}

static void output_gradient(const Block *block, Place out, Place y_place, Place from, int has_from,
                            float scale, int use_mask, float *restrict bias_gradient) {
    for (int i = block->first; i < block->last; i++) {
        real *restrict to = row(block, out, i);
        const real *restrict y = row(block, y_place, i);
        const real *restrict imputer = has_from ? row(block, from, i) : y;
        const float *restrict x = block->x + (int64_t)i * out.width;
        for (int j = 0; j < out.width; j++) {
            float value = get(y[j]);
            float error = use_mask && x[j] == 0 ? 0 : value - x[j];
            float gradient = scale * error + (has_from ? get(imputer[j]) : 0);
            gradient = value > 0 ? gradient : 0;
            to[j] = put(gradient);
            bias_gradient[j] += gradient;
        }
    }
}

static void relu_gradient(const Block *block, Place out, Place a, float *restrict bias_gradient) {
    for (int i = block->first; i < block->last; i++) {
        real *restrict g = row(block, out, i);
        const real *restrict value = row(block, a, i);
        for (int j = 0; j < out.width; j++) {
            float gradient = get(value[j]) > 0 ? get(g[j]) : 0;
            g[j] = put(gradient);
            bias_gradient[j] += gradient;
        }
    }
}

static void fill_gradient(const Block *block, Place out, Place filled, float *restrict bias_gradient) {
    for (int i = block->first; i < block->last; i++) {
        real *restrict g = row(block, out, i);
        const real *restrict value = row(block, filled, i);
        const float *restrict x = block->x + (int64_t)i * out.width;
        for (int j = 0; j < out.width; j++) {
            float gradient = (x[j] == 0) & (get(value[j]) > 0) ? get(g[j]) : 0;
            g[j] = put(gradient);
            bias_gradient[j] += gradient;
        }
    }
}

/* ---- products; only of floats, those of bfloat16 are torch's ---- */

static void product(const Program *program, const Operation *op, const Block *block) {
#ifndef BFLOAT16
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
                       block->is_fresh ? &zero : &one, block->gradient + op->gradient, &n_in);
    }
#endif
}

/* ---- the step ---- */

static void execute(const Program *program, const Operation *op, const Block *block) {
    float *gradient = block->gradient + op->gradient;
    switch (op->kind) {
        case ZERO: if (block->is_fresh) memset(gradient, 0, sizeof(float) * op->out.width); break;
        case LOAD: load(block, op->out); break;
        case RELU: relu(block, op->out, op->bias); break;
        case OUTPUT: output(block, op->out, op->bias, program->use_mask, block->squares + op->t); break;
        case FILL: fill(block, op->out, op->bias); break;
        case OUTPUT_GRADIENT:
            output_gradient(block, op->out, op->a, op->b, op->b.width > 0, block->scale[op->t],
                            program->use_mask, gradient);
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
        /* A norm is known only when all blocks are through: each needs to keep its values till then. */
        .arena = batch->arenas + (program->is_norm ? b : worker) * program->arena_size,
        .gradient = worker ? batch->partial + (worker - 1) * program->n_weights : batch->gradient,
        .squares = batch->squares + b * program->n_passes,
        .scale = batch->scale,
    };
    if (batch->is_joint) { /* one arena for all, of which a worker does a part */
        block.first = first;
        block.last = last;
        block.n_cells = n;
        block.x = batch->x;
        block.arena = batch->arenas;
    }
    return block;
}

/* Operations first <= o < last of all cells. Workers are threads, where there are so many: what is
 * computed depends on the number of workers alone. */
void run(const Program *program, const Minibatch *batch, int first, int last) {
#pragma omp parallel for schedule(static, 1) num_threads(batch->n_workers) if (batch->n_workers > 1)
    for (int worker = 0; worker < batch->n_workers; worker++)
        for (int k = 0; k < batch->n_blocks / batch->n_workers; k++) {
            const Block block = block_of(program, batch, worker, k);
            for (int o = first; o < last; o++) execute(program, program->operations + o, &block);
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

/* Forget the last minibatch. */
void begin(const Program *program, const Minibatch *batch) {
    memset(batch->squares, 0, sizeof(double) * batch->n_blocks * program->n_passes);
    loss(program, batch);
}

/* Add the gradients of all workers to that of the first. */
void add_up(const Program *program, const Minibatch *batch) {
    const int n = batch->n_workers;
    if (n == 1) return;
#pragma omp parallel for schedule(static, 1) num_threads(n)
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
