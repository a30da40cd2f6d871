# Writes the bytes of IN as arrays into the source OUT: cmake -D IN=... -D OUT=... -P embed.cmake
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "(................................................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "#include <cstddef>\n"
  "namespace tapegrad::trace {\n"
  "extern const unsigned char kPage[];\n"
  "extern const std::size_t kPageSize;\n"
  "const unsigned char kPage[] = {\n${bytes}};\n"
  "const std::size_t kPageSize = sizeof kPage;\n"
  "}  // namespace tapegrad::trace\n")
