# Installs the library, the public headers as include/tapegrad/<layer>/<name>.h, the files for
# find_package(tapegrad), and tapegrad.pc for pkg-config.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/tapegrad)
install(TARGETS tapegrad tapegrad_trace EXPORT tapegradTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT tapegradTargets NAMESPACE tapegrad:: DESTINATION ${package_folder})

if(TARGET tapegrad_distributed)
  # A component of its own, because a program that links it has to find MPI.
  install(TARGETS tapegrad_distributed EXPORT tapegradDistributedTargets
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT tapegradDistributedTargets NAMESPACE tapegrad:: DESTINATION ${package_folder})
  set(distributed_headers distributed/*.h)
endif()

# A header whose opening comment says "Internal." is not installed; neither are the kernels' headers.
install(FILES tapegrad.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tapegrad)
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
     tensor/*.h autograd/*.h nn/*.h optim/*.h ${distributed_headers})
list(FILTER headers EXCLUDE REGEX "^tensor/kernels/")
foreach(header IN LISTS headers)
  file(STRINGS ${header} internal REGEX "^//.* Internal[.:]")
  if(NOT internal)
    cmake_path(GET header PARENT_PATH layer)
    install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tapegrad/${layer})
  endif()
endforeach()

configure_package_config_file(cmake/tapegradConfig.cmake.in tapegradConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(tapegradConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tapegradConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/tapegradConfigVersion.cmake
        DESTINATION ${package_folder})

# tapegrad.pc computes the prefix relative to its own folder, so `cmake --install --prefix` can change
# it. The number of folders in between depends on the library folder (lib or lib/x86_64-linux-gnu).
# A folder that was given as an absolute path (Nix does so) stays as it is.
file(RELATIVE_PATH prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
set(pc_prefix "\${pcfiledir}/${prefix_from_pc}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
endif()
foreach(folder IN ITEMS LIBDIR INCLUDEDIR)
  set(pc_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    set(pc_${folder} "${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()
configure_file(cmake/tapegrad.pc.in tapegrad.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tapegrad.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
