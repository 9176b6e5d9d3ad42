// SPDX-License-Identifier: Apache-2.0
// An object is made once for a key, appears whole or not at all, and its key knows every header it may include.
#include "codegen/ObjectCache.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <fstream>
#include <gtest/gtest.h>
#include <thread>

using namespace sinter;
namespace fs = llvm::sys::fs;

namespace {

class ObjectCacheTest : public testing::Test {
protected:
  void SetUp() override { ASSERT_FALSE(fs::createUniqueDirectory("sinter-cache-test", dir)); }
  void TearDown() override { fs::remove_directories(dir); }

  std::string path(llvm::StringRef name) const { return (dir + "/" + name).str(); }
  void write(llvm::StringRef name, llvm::StringRef text) const {
    ASSERT_FALSE(fs::create_directories(llvm::StringRef(path(name)).rsplit('/').first));
    std::ofstream(path(name)) << text.str();
  }
  static std::string read(llvm::StringRef file) { return (*llvm::MemoryBuffer::getFile(file))->getBuffer().str(); }
  size_t filesIn(llvm::StringRef folder) const {
    std::error_code ec;
    size_t count = 0;
    for (fs::directory_iterator it(path(folder), ec), end; it != end && !ec; it.increment(ec))
      ++count;
    return count;
  }

  llvm::SmallString<128> dir;
};

llvm::SHA256 digestOf(llvm::StringRef text) {
  llvm::SHA256 digest;
  digest.update(text);
  return digest;
}

/// Writes `text` as an object, and counts how often.
auto maker(std::string text, int &calls) {
  return [text, &calls](llvm::StringRef path) {
    ++calls;
    std::ofstream(path.str()) << text;
    return llvm::Error::success();
  };
}

TEST_F(ObjectCacheTest, MakesAnObjectOncePerKeyAndExtension) {
  auto cache = llvm::cantFail(ObjectCache::open(path("new/cache")));
  int calls = 0;
  auto first = llvm::cantFail(cache.get(digestOf("a"), ".o", maker("one", calls)));
  auto again = llvm::cantFail(cache.get(digestOf("a"), ".o", maker("two", calls)));
  EXPECT_FALSE(first.fromCache);
  EXPECT_TRUE(again.fromCache);
  EXPECT_EQ(first.path, again.path);
  EXPECT_EQ(read(again.path), "one");
  EXPECT_NE(llvm::cantFail(cache.get(digestOf("b"), ".o", maker("b", calls))).path, first.path);
  EXPECT_NE(llvm::cantFail(cache.get(digestOf("a"), ".cubin", maker("c", calls))).path, first.path);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(filesIn("new/cache"), 3u);
}

TEST_F(ObjectCacheTest, LeavesNothingOfAFailure) {
  auto cache = llvm::cantFail(ObjectCache::open(path("cache")));
  auto object = cache.get(digestOf("a"), ".o", [](llvm::StringRef path) {
    std::ofstream(path.str()) << "half of it";
    return llvm::createStringError("out of paper");
  });
  ASSERT_FALSE(bool(object));
  EXPECT_EQ(llvm::toString(object.takeError()), "out of paper");
  EXPECT_EQ(filesIn("cache"), 0u);
  int calls = 0;
  EXPECT_FALSE(llvm::cantFail(cache.get(digestOf("a"), ".o", maker("whole", calls))).fromCache);
}

TEST_F(ObjectCacheTest, SaysThatNoObjectWasWritten) {
  auto cache = llvm::cantFail(ObjectCache::open(path("cache")));
  auto object = cache.get(digestOf("a"), ".o", [](llvm::StringRef) { return llvm::Error::success(); });
  ASSERT_FALSE(bool(object));
  std::string message = llvm::toString(object.takeError());
  EXPECT_TRUE(llvm::StringRef(message).ends_with(".o': No such file or directory")) << message;
}

TEST_F(ObjectCacheTest, RefusesAFileAsItsFolder) {
  write("file", "");
  auto cache = ObjectCache::open(path("file"));
  ASSERT_FALSE(bool(cache));
  EXPECT_EQ(llvm::toString(cache.takeError()),
            "the cache of objects '" + path("file") + "': expected a folder, found a file");
}

TEST_F(ObjectCacheTest, ThreadsThatMakeTheSameObjectAllGetItWhole) {
  auto cache = llvm::cantFail(ObjectCache::open(path("cache")));
  std::vector<std::thread> team;
  std::vector<std::string> found(8);
  for (size_t t = 0; t < found.size(); ++t)
    team.emplace_back([&, t] {
      auto object = llvm::cantFail(cache.get(digestOf("same"), ".o", [](llvm::StringRef path) {
        std::ofstream out(path.str());
        for (int i = 0; i < 10000; ++i)
          out << "line of an object\n";
        return llvm::Error::success();
      }));
      found[t] = read(object.path);
    });
  for (std::thread &thread : team)
    thread.join();
  for (const std::string &text : found)
    EXPECT_EQ(text.size(), 10000 * std::string("line of an object\n").size());
  EXPECT_EQ(filesIn("cache"), 1u);
}

TEST_F(ObjectCacheTest, HeadersCountByPathAndContentIfTheirExtensionDoes) {
  auto digest = [&] {
    llvm::SHA256 headers;
    EXPECT_FALSE(bool(digestHeaders(path("share"), {".h", ".cuh"}, headers)));
    return headers.final();
  };
  write("share/templates/cuda/a.cuh", "a");
  write("share/runtime/abi/b.h", "b");
  auto before = digest();
  EXPECT_EQ(digest(), before);
  write("share/templates/notes.txt", "not a header");
  EXPECT_EQ(digest(), before);
  write("share/templates/cuda/a.cuh", "A");
  auto changed = digest();
  EXPECT_NE(changed, before);
  ASSERT_FALSE(fs::rename(path("share/templates/cuda/a.cuh"), path("share/templates/cuda/c.cuh")));
  EXPECT_NE(digest(), changed);
}

} // namespace
