/**
 * @file sweep_file.h
 * A sweep's data in its file (store_sweep.h). Root only.
 */
#ifndef SHEAF_SWEEP_FILE_H
#define SHEAF_SWEEP_FILE_H

#include "store_sweep.h"
#include "sweep_table.h"

/** Write what the cells are, into a file that was just made. */
enum sheaf_status sweep_file_write_cells(struct store_sweep *file, const struct sweep_data *data,
                                         struct sheaf_error *error);

/** Write where the sweep is, and the sample. */
enum sheaf_status sweep_file_write_phase(struct store_sweep *file, const struct sweep_data *data,
                                         enum store_sweep_phase phase, struct sheaf_error *error);

/** Write one pass of a cell. */
enum sheaf_status sweep_file_write_pass(struct store_sweep *file, const struct sweep_data *data, int round, int cell,
                                        struct sheaf_error *error);

/** Write a round's bare time and the table, and make all of it durable. */
enum sheaf_status sweep_file_write_round(struct store_sweep *file, const struct sweep_data *data, int round,
                                         struct sheaf_error *error);

/**
 * Read all that was measured; of a sweep that is warming up that is nothing, and not even its cells need be there.
 * @param[in,out] data  nodes and cores are the caller's to know, where a sweep goes on
 * @return SHEAF_OK; SHEAF_BAD_DATA: it has more cells or rounds than this program; SHEAF_IO_ERROR
 */
enum sheaf_status sweep_file_read(const struct store_sweep *file, struct sweep_data *data,
                                  enum store_sweep_phase *phase, struct sheaf_error *error);

#endif
