// Reads whole files, and replaces them so that a crash leaves either the old file or the new one.
// The tests simulate failures of the system: tensor/io/file_ops.h. Read next:
// tensor/io/safetensors.cc.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tapegrad {

// Returns the bytes of a file. IoError with the path and the reason if it cannot be read.
std::string read_file(const std::string& path, const char* operation = "read_file");

// Writes the chunks, one after the other, to the file at `path`, which is created or replaced. A
// reader that opens the path during the write or after a failure sees either all of the old bytes
// or all of the new ones: the new bytes are written to another file in the same folder, synced to
// the disk, and that file is renamed. On failure throws an IoError with the path and the reason,
// and the old file is unchanged. If the temporary file could not be removed, or if the file was
// replaced but the folder could not be synced, the text says so.
//
// Follows a symbolic link and keeps the permissions of the old file. A device or a pipe is written
// to directly. Error texts start with `operation`.
void write_file_atomically(const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation = "write_file_atomically");
void write_file_atomically(const std::string& path, std::string_view bytes,
                           const char* operation = "write_file_atomically");

}  // namespace tapegrad
