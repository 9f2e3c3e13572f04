# The programs kedge (src/cli/main.cc) and kedge-s3-emulator (src/emulator/main.cc), and what crosses layers. A new file
# needs no edit here:
#   tests/<name>/*.cc      one test program a folder, <name>_tests; include paths from the repository's root
#   fuzz/<name>_fuzz.cc    one fuzzer a file; its corpus, fuzz/corpus/<name>, replays in ctest
#   bench/<name>_bench.cc  one program a file
#   tools/<name>.cc        one program a file, for tests and people who work on Kedge
if(TARGET kedge_cli AND EXISTS ${CMAKE_SOURCE_DIR}/src/cli/main.cc)
  add_executable(kedge ${CMAKE_SOURCE_DIR}/src/cli/main.cc)
  target_link_libraries(kedge PRIVATE kedge_cli)
  install(TARGETS kedge)
endif()

if(TARGET kedge_emulator AND NOT KEDGE_FUZZ)
  add_executable(kedge-s3-emulator ${CMAKE_SOURCE_DIR}/src/emulator/main.cc)
  target_link_libraries(kedge-s3-emulator PRIVATE kedge_emulator)
endif()

function(kedge_program name)
  add_executable(${name} ${ARGN})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${KEDGE_LIBRARIES})
endfunction()

file(GLOB folders CONFIGURE_DEPENDS LIST_DIRECTORIES true ${CMAKE_SOURCE_DIR}/tests/*)
foreach(folder IN LISTS folders)
  get_filename_component(name ${folder} NAME)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  if(sources AND NOT KEDGE_FUZZ)
    kedge_program(${name}_tests ${sources})
    target_link_libraries(${name}_tests PRIVATE GTest::gtest_main GTest::gmock)
    add_test(NAME ${name}_tests COMMAND ${name}_tests)
  endif()
endforeach()

file(GLOB fuzzers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/*_fuzz.cc)
foreach(source IN LISTS fuzzers)
  get_filename_component(target ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${target})
  if(KEDGE_FUZZ)
    kedge_program(${target} ${source})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    kedge_program(${target} ${source} ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc)
    add_test(NAME ${target} COMMAND ${target} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
  endif()
endforeach()

file(GLOB benches CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*_bench.cc)
foreach(source IN LISTS benches)
  get_filename_component(target ${source} NAME_WE)
  kedge_program(${target} ${source})
endforeach()

file(GLOB tools CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/*.cc)
foreach(source IN LISTS tools)
  get_filename_component(target ${source} NAME_WE)
  kedge_program(${target} ${source})
endforeach()
