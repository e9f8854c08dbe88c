#!/usr/bin/env bash
# The walls of the house: which folder may include what (design: three packages). Fails with each include that is in the
# wrong room.  usage: layering.sh SOURCE_DIR
set -u
cd "${1:?usage: layering.sh SOURCE_DIR}" || exit 2
wrong=0

# forbid FOLDER PATTERN WHY: no include in FOLDER may match the extended regular expression PATTERN
forbid() {
    local hits
    hits=$(grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" "$1")
    [ -z "$hits" ] && return
    printf '%s\n  -> %s\n' "$hits" "$3"
    wrong=1
}

mpi='mpi\.h|mpi-ext\.h'
hdf5='hdf5\.h|H5[A-Z][A-Za-z]*\.h|hdf5_hl\.h'
blas='cblas|lapack|openblas|f77blas|mkl'

forbid kernels "$mpi" 'kernels/ knows no MPI'
forbid kernels "$hdf5" 'kernels/ knows no HDF5'
forbid kernels 'pthread\.h|threads\.h|omp\.h' 'kernels/ creates no threads'
forbid kernels 'fcntl\.h|unistd\.h|sys/(stat|mman|uio)\.h' 'kernels/ touches no files'
forbid kernels '(file|generate|hdf5_guard|records|source|store)\.h' 'kernels/ does not know io/'
forbid io "$mpi" 'io/ knows no MPI'
forbid io "$blas" 'io/ knows no BLAS'
forbid io 'sheaf/kernel\.h|signature\.h|list\.h|blas\.h' 'io/ knows of kernels/ only array.h and status.h'
forbid io 'pthread\.h|threads\.h|hwloc\.h' 'io/ creates and binds no threads'
forbid app "$hdf5" 'app/ speaks to HDF5 through io/'
forbid app "$blas" 'app/ speaks to BLAS through kernels/'

# Inside app/, MPI is for the few files that need it, so that the rest is tested without.
while read -r file; do
    case $file in
    app/main.c | app/team.c | app/dispatch.c | app/comm.c | app/comm_mpi.h) ;;
    *)
        printf '%s includes mpi.h\n  -> in app/ only main, team, dispatch and comm do\n' "$file"
        wrong=1
        ;;
    esac
done < <(grep -rlE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($mpi)" app)
exit $wrong
