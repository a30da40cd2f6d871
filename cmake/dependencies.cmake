# Finds the packages that are needed to build tapegrad. All but Threads are header-only and private,
# so an installed tapegrad does not need them. `scripts/install_packages` installs them.
find_package(Threads REQUIRED)
find_package(xtl CONFIG REQUIRED)      # before xsimd, whose Debian package would otherwise link libxtl
find_package(xsimd CONFIG REQUIRED)    # no version: its package files accept only the same major one
find_package(xtensor CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)

# Adds the header folders of packages to a target, but does not link the packages. A program that uses
# a static tapegrad would have to find every package that is linked, even a private one.
function(tapegrad_use_headers_of target)
  foreach(package IN LISTS ARGN)
    target_include_directories(${target} SYSTEM PRIVATE
      $<TARGET_PROPERTY:${package},INTERFACE_INCLUDE_DIRECTORIES>)
  endforeach()
endfunction()
