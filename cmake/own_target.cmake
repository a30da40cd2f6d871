# Compile options of our own targets. Warnings are on only if tapegrad is the top-level project; a
# project that adds tapegrad gets only the language standard.
# CMAKE_UNITY_BUILD does not apply: the library joins its sources itself, and some files use the same
# names.
function(tapegrad_own_target target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF UNITY_BUILD OFF)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
      $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12 warns falsely in std::string (GCC bug 105651)
  endif()
endfunction()

# Adds a program that is linked with the library.
function(tapegrad_program target)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE tapegrad::tapegrad)
  tapegrad_own_target(${target})
endfunction()
