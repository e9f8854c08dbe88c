/* A file with a dataset in compressed chunks, for tests that do not call HDF5 themselves. */
#ifndef SHEAF_TESTS_IO_PACKED_FILE_H
#define SHEAF_TESTS_IO_PACKED_FILE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Write a new file with one dataset, f64, shuffled, deflated and with checksums.
 * @param[in] chunk    tasks that share an HDF5 chunk
 * @param[in] numbers  (tasks, n)
 * @return whether that was possible
 */
bool packed_file_write(const char *path, const char *dataset, int64_t tasks, int64_t n, int64_t chunk,
                       const double *numbers);

#endif
