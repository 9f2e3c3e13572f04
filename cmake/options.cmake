# Language, warnings, sanitizers and linker: the same for every target. CMakePresets.json holds the combinations that
# are tested. No -march, no -m flag, here or anywhere: code for a CPU level is marked function by function in src/simd.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # statement expressions, for KEDGE_TRY
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Checks of programmer errors stay in the program that users run: NDEBUG is never defined.
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")

set(KEDGE_SANITIZE "" CACHE STRING "address,undefined or thread; empty for none")
option(KEDGE_OPENVINO "build the model provider that runs on OpenVINO" ON)
option(KEDGE_FUZZ "build the fuzzers with libFuzzer (clang); without it they are built to replay their corpora" OFF)

add_compile_options(-Wall -Wextra -Wconversion -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 warns of overlapping copies where short texts are assigned to strings at -O3 (GCC bug 105651).
  add_compile_options(-Wno-restrict)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # And of bytes that a vector does not have yet, where it sees an append inlined (GCC bug 105329 and its kin).
    add_compile_options(-Wno-array-bounds -Wno-stringop-overflow)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-w)  # clang only fuzzes; g++ is the compiler whose warnings count
endif()
if(KEDGE_SANITIZE)
  add_compile_options(-fsanitize=${KEDGE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KEDGE_SANITIZE})
endif()
if(KEDGE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
find_program(KEDGE_MOLD mold)
if(KEDGE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
find_program(KEDGE_CCACHE ccache)
if(KEDGE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${KEDGE_CCACHE})
endif()
# An installed tree is bin/ beside lib/ (./dev package); the build tree gets the libraries' own folders from CMake.
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
