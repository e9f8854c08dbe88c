# shellcheck shell=bash
# Sourced by the scripts that start mpirun on this machine. Values that the user has set stay.

# Open MPI refuses root unless told twice; in a container there is often nobody else.
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# Containers forbid reading another process's memory, and Open MPI then warns at every message. Tasks never talk to each
# other, so nothing is lost without it.
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
