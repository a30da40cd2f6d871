// The text of a file, whatever its encoding and its line ends are, and whether it is compressed.
// Read next: source.cc.
#pragma once

#include <string>

namespace text_classifier {

// The text of a file, or of standard input if the path is `-`, as UTF-8 with LF at the end of
// lines. Reads UTF-8, UTF-16 with a byte order mark, Windows-1252 and Latin-1, and any of them
// compressed with gzip; lines may end with LF, CRLF or CR. IoError, which begins with `operation`,
// if it cannot be read, and FormatError with the line if it is not a text.
std::string read_source(const std::string& path, const char* operation);

// What messages call it: the path, or `standard input`.
std::string name_of_source(const std::string& path);

// IoError if the file is a pipe or a device. The library reads only regular files, because a pipe
// could make it wait forever; this error says what to do: write a file, `or_else`.
void refuse_pipe(const std::string& path, const char* operation, const char* or_else);

}  // namespace text_classifier
