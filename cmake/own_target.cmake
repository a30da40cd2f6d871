# How our own targets are compiled: with warnings when tapegrad is the top-level project, and with
# nothing but the language standard for those who add us to theirs. CMake does not join the sources
# (CMAKE_UNITY_BUILD): the library does so itself, and some files use the same names.
function(tapegrad_own_target target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF UNITY_BUILD OFF)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
      $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12 sees overlaps in std::string (its bug 105651)
  endif()
endfunction()

# A program of ours, linked with the library and built beside its CMakeLists.txt's output.
function(tapegrad_program target)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE tapegrad::tapegrad)
  tapegrad_own_target(${target})
endfunction()
