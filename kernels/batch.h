/**
 * @file batch.h
 * Where a task's arrays stand in a batch.
 */
#ifndef SHEAF_BATCH_H
#define SHEAF_BATCH_H

#include "sheaf/kernel.h"

/** @return input `input` of a task */
static inline const void *
batch_input(const struct sheaf_batch *batch, int input, int64_t task)
{
    return (const char *)batch->inputs[input] + (size_t)task * batch->input_strides[input];
}

/** @return output `output` of a task; NULL where that output is not asked for */
static inline void *
batch_output(const struct sheaf_batch *batch, int output, int64_t task)
{
    char *first = batch->outputs[output];
    return first ? first + (size_t)task * batch->output_strides[output] : NULL;
}

#endif
