# The packages that building tapegrad needs. All but Threads are header-only and private: an installed
# tapegrad asks for none of them. `scripts/install_packages` installs them on Debian and Ubuntu.
find_package(Threads REQUIRED)
find_package(xtl CONFIG REQUIRED)      # before xsimd, whose Debian package would else link a libxtl
find_package(xsimd CONFIG REQUIRED)    # no version: its package files accept only the same major one
find_package(xtensor CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)

# Gives a target the header folders of packages without linking them: a linked package, even a
# private one, would have to be found by whoever links a static tapegrad.
function(tapegrad_use_headers_of target)
  foreach(package IN LISTS ARGN)
    target_include_directories(${target} SYSTEM PRIVATE
      $<TARGET_PROPERTY:${package},INTERFACE_INCLUDE_DIRECTORIES>)
  endforeach()
endfunction()
