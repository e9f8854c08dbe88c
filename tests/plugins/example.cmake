# How a kernel of one's own is built outside Sheaf: copy dedisperse.c, and this as CMakeLists.txt.
cmake_minimum_required(VERSION 3.16)
project(dedisperse LANGUAGES C)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SHEAF_KERNEL REQUIRED IMPORTED_TARGET sheaf-kernel)
add_library(dedisperse MODULE dedisperse.c)
set_target_properties(dedisperse PROPERTIES PREFIX "" C_STANDARD 17)
target_link_libraries(dedisperse PRIVATE PkgConfig::SHEAF_KERNEL)
