#!/usr/bin/env bash
# Installs what a throw-away Slurm cluster for the tests needs, on Debian or Ubuntu: as root, or through sudo.
# Starts no service. Quiet, and instant when everything is there already. See cluster.py.
exec "$(dirname "$0")/../install.sh" munge slurmctld slurmd slurm-client slurmdbd mariadb-server-core mariadb-client-core
