/*
 * A kernel of one's own, as an example: incoherent dedispersion of a beam of a radio telescope.
 *
 * A pulse arrives later at lower frequencies. For each trial the channels are shifted back by that trial's delays and
 * added: out[t][s] = sum over c of beam[c][s + delay[t][c]], samples beyond the end of the beam counting as 0 (D. R. Lorimer,
 * M. Kramer, "Handbook of Pulsar Astronomy", Cambridge 2005, section 4.1.1).
 *
 *   beam   (c,s)  u8 or f32  channels x samples
 *   delay  (t,c)  i64        trials x channels, in samples, not negative
 *   out    (t,s)  f32        trials x samples
 */
#include <sheaf/kernel.h>

static enum sheaf_status
dedisperse_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].type = SHEAF_F32;
    return SHEAF_OK;
}

static void
dedisperse_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_shape *beam = &problem->inputs[0].shape, *delay = &problem->inputs[1].shape;
    cost->flops = (double)beam->extent[0] * (double)beam->extent[1] * (double)delay->extent[0];
}

/* Add a channel's samples from `delay` on to a trial's sums. */
static void
add_channel(enum sheaf_type type, const void *channel, int64_t delay, int64_t samples, float *sums)
{
    if (type == SHEAF_U8) {
        const uint8_t *in = (const uint8_t *)channel + delay;
        for (int64_t s = 0; s < samples - delay; s++)
            sums[s] += (float)in[s];
    } else {
        const float *in = (const float *)channel + delay;
        for (int64_t s = 0; s < samples - delay; s++)
            sums[s] += in[s];
    }
}

/* One beam. Returns the first channel (from 1) with a negative delay, 0 where there is none. */
static int32_t
dedisperse_beam(const struct sheaf_problem *problem, const char *beam, const int64_t *delay, float *out)
{
    enum sheaf_type type = problem->inputs[0].type;
    int64_t channels = problem->inputs[0].shape.extent[0], samples = problem->inputs[0].shape.extent[1];
    int64_t trials = problem->inputs[1].shape.extent[0];
    memset(out, 0, (size_t)(trials * samples) * sizeof *out);
    for (int64_t t = 0; t < trials; t++) {
        for (int64_t c = 0; c < channels; c++) {
            int64_t shift = delay[t * channels + c];
            if (shift < 0)
                return (int32_t)(c + 1);
            if (shift < samples)
                add_channel(type, beam + (size_t)(c * samples) * sheaf_type_size(type), shift, samples,
                            out + t * samples);
        }
    }
    return 0;
}

static enum sheaf_status
dedisperse_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    for (int64_t task = 0; task < batch->count; task++) {
        const char *beam = (const char *)batch->inputs[0] + (size_t)task * batch->input_strides[0];
        const char *delay = (const char *)batch->inputs[1] + (size_t)task * batch->input_strides[1];
        char *out = (char *)batch->outputs[0] + (size_t)task * batch->output_strides[0];
        batch->info[task] = dedisperse_beam(problem, beam, (const int64_t *)(const void *)delay, (float *)(void *)out);
        if (batch->info[task])
            batch->status[task] = SHEAF_TASK_KERNEL_FAILED;
    }
    return SHEAF_OK;
}

static const char *const dedisperse_outputs[] = {"dedispersed", NULL};
static const uint32_t dedisperse_accepts[] = {SHEAF_TYPE_BIT(SHEAF_U8) | SHEAF_TYPE_BIT(SHEAF_F32),
                                              SHEAF_TYPE_BIT(SHEAF_I64)};

static const struct sheaf_kernel dedisperse = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "dedisperse",
    .text = "a beam's channels, shifted by each trial's delays and added",
    .documentation =
        "out[t][s] = sum over c of beam[c][s + delay[t][c]]; samples beyond the end count as 0. t c s additions.\n"
        "A negative delay fails the task; info is its channel, from 1.\n",
    .signature = "(c,s),(t,c)->(t,s)",
    .output_names = dedisperse_outputs,
    .input_accepts = dedisperse_accepts,
    .width_kind = SHEAF_WIDTH_ONE,
    .infer = dedisperse_infer,
    .cost = dedisperse_cost,
    .run = dedisperse_run,
};

static const struct sheaf_kernel *const kernels[] = {&dedisperse, NULL};

const struct sheaf_kernel *const *
sheaf_plugin_kernels(uint32_t abi)
{
    return abi == SHEAF_KERNEL_ABI ? kernels : NULL;
}
