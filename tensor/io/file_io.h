// Whole files: read, and replaced so that a crash leaves the old one or the new one. Read next:
// tensor/io/file_ops.h (how the tests make the system fail).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tapegrad {

// The bytes of a file. IoError, which says the path and why, if it cannot be read.
std::string read_file(const std::string& path, const char* operation = "read_file");

// Puts the chunks, one after the other, into the file at `path`, new or not. Whoever opens the path
// meanwhile or after a failure finds the old bytes, all of them, or the new ones: they are written
// to another file in the same folder, synced to the disk, and renamed. IoError, which says the path
// and why; then nothing has changed, and no other file is left. One exception is said in the text:
// the file has been replaced, but the folder could not be synced.
//
// Follows a symbolic link and keeps an old file's permissions. A device or a pipe is written to as
// it is. `operation` opens the error texts.
void write_file_atomically(const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation = "write_file_atomically");
void write_file_atomically(const std::string& path, std::string_view bytes,
                           const char* operation = "write_file_atomically");

}  // namespace tapegrad
