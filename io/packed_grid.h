/**
 * @file packed_grid.h
 * The grid of HDF5 chunks over a dataset's axes, of which the first ones count entries. Which chunks some entries lie in,
 * and where their elements go. Pure. For io/packed*.c only.
 *
 * An entry is one index of the leading axes, numbered row-major. A chunk is named by its number, row-major in the grid.
 * Chunks at the end of an axis go beyond it: what they hold there is no element of the dataset.
 */
#ifndef SHEAF_PACKED_GRID_H
#define SHEAF_PACKED_GRID_H

#include "sheaf/array.h"

enum { PACKED_NDIM_MAX = 2 * SHEAF_NDIM_MAX };

struct packed_grid {
    int32_t ndim;
    int32_t lead;                    /**< axes that count entries, 0 to ndim; 0: one entry */
    int64_t extent[PACKED_NDIM_MAX]; /**< of the dataset, each at least 1, their product within 64 bits */
    int64_t chunk[PACKED_NDIM_MAX];  /**< of a chunk, each at least 1 */
};

/** @return how many entries the dataset has */
int64_t packed_grid_entries(const struct packed_grid *grid);

/**
 * The most chunks that a run of consecutive entries can lie in, of the runs [first + i * every, ... + count), i = 0, 1, ...
 * Exact over one leading axis, else no more than about twice that.
 */
int64_t packed_grid_most(const struct packed_grid *grid, int64_t first, int64_t every, int64_t count);

/** Going through the chunks that entries [first, first + count) lie in, each once, in the order of their numbers. */
struct packed_walk {
    const struct packed_grid *grid;
    bool started;
    int64_t first[PACKED_NDIM_MAX], last[PACKED_NDIM_MAX]; /**< entries, by their indices */
    int64_t low[PACKED_NDIM_MAX], high[PACKED_NDIM_MAX];   /**< chunks of the box that holds them all */
    int64_t at[PACKED_NDIM_MAX];                           /**< the chunk, in the grid */
};

/** @param[in] count  at least 1 */
void packed_walk_start(struct packed_walk *walk, const struct packed_grid *grid, int64_t first, int64_t count);

/** @param[out] number  of the next chunk. @return false: there is none */
bool packed_walk_next(struct packed_walk *walk, int64_t *number);

/** @param[out] start  index of a chunk's first element in the dataset; 0 beyond ndim */
void packed_grid_start(const struct packed_grid *grid, int64_t number, int64_t start[PACKED_NDIM_MAX]);

/**
 * Whether all elements of a chunk are consecutive ones of entries [first, first + count).
 * @param[out] offset  elements before the chunk's in those entries
 */
bool packed_grid_is_run(const struct packed_grid *grid, int64_t number, int64_t first, int64_t count, int64_t *offset);

/**
 * Copy what entries [first, first + count) have in a chunk to its place among them.
 * @param[in]  chunk  all of the chunk's elements
 * @param[out] to     the entries, dense; the elements of other chunks stay as they are
 */
void packed_grid_scatter(const struct packed_grid *grid, int64_t number, int64_t first, int64_t count,
                         int64_t element_bytes, const void *chunk, void *to);

#endif
