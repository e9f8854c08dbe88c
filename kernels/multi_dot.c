/*
 * The product of a chain of matrices, in the order that takes the fewest flops. The order comes from the classic
 * dynamic programme, O(count^3) for at most 16 operands: S. Godbole, On efficient computation of matrix chain products,
 * IEEE Trans. Comput. C-22 (1973); Cormen, Leiserson, Rivest, Stein, Introduction to Algorithms, section 15.2. It depends
 * on the extents only, so that all tasks of a class, in whatever batch, are computed alike.
 */
#include "batch.h"
#include "gemm.h"
#include "narrow.h"
#include "workspace.h"

#include <inttypes.h>

/* split[first][last]: the chain first..last is (first..split) times (split + 1..last). */
struct chain_order {
    double products; /* multiply-adds of the cheapest order */
    int split[SHEAF_OPERANDS_MAX][SHEAF_OPERANDS_MAX];
};

/* Where a matrix stands: an operand, or a place in the workspace; the last product of all is the output. */
struct chain_matrix {
    int operand;   /* -1: in the workspace */
    size_t offset; /* bytes */
};

struct chain_step {
    int m, n, k;
    struct chain_matrix left, right;
    size_t result; /* offset in bytes; not used by the last step */
};

struct chain_plan {
    int step_count;
    struct chain_step steps[SHEAF_OPERANDS_MAX - 1];
    int64_t bytes; /* of workspace; -1: more than can be counted */
};

/* Rows of operand i, which are the columns of the one before it; i = input_count: columns of the last one. */
static int64_t
chain_extent(const struct sheaf_problem *problem, int i)
{
    return i == 0 ? problem->inputs[0].shape.extent[0] : problem->inputs[i - 1].shape.extent[1];
}

/* Of orders that cost the same, the one whose first split comes first: for equal extents A (B (C D)). */
static void
chain_find_order(const struct sheaf_problem *problem, struct chain_order *order)
{
    double least[SHEAF_OPERANDS_MAX][SHEAF_OPERANDS_MAX] = {{0.0}};
    int count = problem->input_count;
    memset(order, 0, sizeof *order);
    for (int length = 2; length <= count; length++) {
        for (int first = 0; first + length <= count; first++) {
            int last = first + length - 1;
            double outer = (double)chain_extent(problem, first) * (double)chain_extent(problem, last + 1);
            for (int split = first; split < last; split++) {
                double products =
                    least[first][split] + least[split + 1][last] + outer * (double)chain_extent(problem, split + 1);
                if (split > first && products >= least[first][last])
                    continue;
                least[first][last] = products;
                order->split[first][last] = split;
            }
        }
    }
    order->products = least[0][count - 1];
}

/*
 * Plan the product first..last into `result`, its own intermediates from `bytes` on; they are given back when it is
 * done, so that the workspace is as deep as the deepest path. Recursion: at most input_count - 1 deep.
 */
static bool
chain_plan_product(const struct sheaf_problem *problem, const struct chain_order *order, int first, int last,
                   size_t result, int64_t bytes, struct chain_plan *plan)
{
    const int split = order->split[first][last];
    const int ends[2][2] = {{first, split}, {split + 1, last}};
    struct chain_matrix factors[2];
    for (int i = 0; i < 2; i++) {
        factors[i] = (struct chain_matrix){.operand = ends[i][0]};
        if (ends[i][0] == ends[i][1])
            continue;
        struct sheaf_shape shape = {
            .ndim = 2, .extent = {chain_extent(problem, ends[i][0]), chain_extent(problem, ends[i][1] + 1)}};
        int64_t count;
        if (!sheaf_shape_count(&shape, &count))
            return false;
        factors[i].operand = -1;
        factors[i].offset = workspace_reserve(&bytes, count, sheaf_type_size(problem->inputs[0].type));
        if (bytes < 0 || !chain_plan_product(problem, order, ends[i][0], ends[i][1], factors[i].offset, bytes, plan))
            return false;
    }
    if (plan->bytes < bytes)
        plan->bytes = bytes;
    struct chain_step *step = &plan->steps[plan->step_count++];
    *step = (struct chain_step){.left = factors[0], .right = factors[1], .result = result};
    return narrow_to_int(chain_extent(problem, first), &step->m) &&
           narrow_to_int(chain_extent(problem, last + 1), &step->n) &&
           narrow_to_int(chain_extent(problem, split + 1), &step->k);
}

static bool
chain_make_plan(const struct sheaf_problem *problem, struct chain_plan *plan)
{
    struct chain_order order;
    if (problem->input_count < 2 || problem->input_count > SHEAF_OPERANDS_MAX)
        return false;
    chain_find_order(problem, &order);
    plan->step_count = 0;
    plan->bytes = 0;
    return chain_plan_product(problem, &order, 0, problem->input_count - 1, 0, 0, plan);
}

static enum sheaf_status
multi_dot_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    for (int i = 1; i < problem->input_count; i++) {
        int64_t columns = problem->inputs[i - 1].shape.extent[1], rows = problem->inputs[i].shape.extent[0];
        if (columns != rows)
            return sheaf_fail(error, SHEAF_BAD_DATA,
                              "multi_dot: operand %d has %" PRId64 " columns a task, but operand %d has %" PRId64
                              " rows; each operand needs as many rows as the one before it has columns",
                              i, columns, i + 1, rows);
    }
    problem->outputs[0].shape.extent[1] = chain_extent(problem, problem->input_count);
    return SHEAF_OK;
}

static void
multi_dot_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    struct chain_order order;
    struct chain_plan plan;
    chain_find_order(problem, &order);
    cost->flops = (sheaf_type_is_complex(problem->inputs[0].type) ? 8.0 : 2.0) * order.products;
    if (chain_make_plan(problem, &plan))
        cost->bytes = 2.0 * (double)plan.bytes; /* intermediates are written and read */
    cost->serial_fraction = 0.01;
}

static int64_t
multi_dot_workspace_bytes(const struct sheaf_problem *problem)
{
    struct chain_plan plan;
    return chain_make_plan(problem, &plan) ? plan.bytes : -1;
}

static const void *
chain_locate(const struct sheaf_batch *batch, int64_t task, const struct chain_matrix *matrix)
{
    return matrix->operand >= 0 ? batch_input(batch, matrix->operand, task)
                                : (const char *)batch->workspace + matrix->offset;
}

static enum sheaf_status
multi_dot_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    gemm_function *gemm = gemm_find(problem->inputs[0].type);
    struct chain_plan plan;
    if (!gemm || !chain_make_plan(problem, &plan))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        for (int i = 0; i < plan.step_count; i++) {
            const struct chain_step *step = &plan.steps[i];
            void *result = i == plan.step_count - 1 ? batch_output(batch, 0, task)
                                                    : (void *)((char *)batch->workspace + step->result);
            gemm(step->m, step->n, step->k, chain_locate(batch, task, &step->left),
                 chain_locate(batch, task, &step->right), result);
        }
    }
    return SHEAF_OK;
}

static const char *const multi_dot_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_multi_dot = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "multi_dot",
    .text = "product of 2 to 16 matrices in the cheapest order",
    .documentation = "R = A B C ..., 2 to 16 matrices. Flops: those of the cheapest order of products, found by\n"
                     "dynamic programming (Godbole 1973) from the extents alone; of equally cheap orders the one\n"
                     "whose first factor is shortest: A (B C). BLAS gemm, one call a product.\n"
                     "As numpy.linalg.multi_dot of matrices; a vector is a matrix with one row or column. NaN and\n"
                     "infinity in the input spread as IEEE 754 says; no task fails.\n",
    .signature = "(a,b),(c,d),...->(a,z)",
    .output_names = multi_dot_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = multi_dot_infer,
    .cost = multi_dot_cost,
    .workspace_bytes = multi_dot_workspace_bytes,
    .run = multi_dot_run,
};
