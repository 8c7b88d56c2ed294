#ifndef CCONSOLE_H
#define CCONSOLE_H

#include <stddef.h>

/// A file of the console, as it was when the program was built.
struct console_file {
  const char *name;
  const unsigned char *bytes;
  size_t size;
};

/// The files.
const struct console_file *console_files(void);

/// How many they are.
size_t console_file_count(void);

#endif
