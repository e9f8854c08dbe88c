#include "packed_file.h"

#include <hdf5.h>

bool
packed_file_write(const char *path, const char *dataset, int64_t tasks, int64_t n, int64_t chunk, const double *numbers)
{
    const hsize_t extent[2] = {(hsize_t)tasks, (hsize_t)n}, chunks[2] = {(hsize_t)chunk, (hsize_t)n};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, extent, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);

    H5Pset_chunk(creation, 2, chunks);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 1);
    H5Pset_fletcher32(creation);
    hid_t made = H5Dcreate2(file, dataset, H5T_IEEE_F64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    bool good = H5Dwrite(made, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0;
    H5Dclose(made);
    H5Pclose(creation);
    H5Sclose(space);
    return H5Fclose(file) >= 0 && good;
}
