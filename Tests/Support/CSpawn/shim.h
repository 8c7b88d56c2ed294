#pragma once
#include <spawn.h>

// glibc has it, and its header declares it for programs of GNU's dialect only, which Swift's are not.
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
