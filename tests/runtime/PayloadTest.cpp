// SPDX-License-Identifier: Apache-2.0
#include "runtime/support/Payload.h"
#include "runtime/support/PayloadWriter.h"
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace sinter::rt;

namespace {

class PayloadTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "payload.XXXXXX";
    directory = mkdtemp(pattern.data());
    path = directory + "/model";
    std::ofstream(path) << "this stands for an ELF file";
    big.resize(3 * payloadPieceBytes + 12345);
    for (size_t i = 0; i < big.size(); ++i)
      big[i] = static_cast<char>(i * 2654435761u >> 13);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  void write() {
    auto writer = PayloadWriter::append(path);
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE(writer->add("info", "{}", 2));
    ASSERT_TRUE(writer->begin("weights"));
    for (size_t at = 0; at < big.size(); at += 100001)
      ASSERT_TRUE(writer->write(big.data() + at, std::min<size_t>(100001, big.size() - at)));
    ASSERT_TRUE(writer->end());
    ASSERT_TRUE(writer->add("empty", nullptr, 0));
    ASSERT_TRUE(writer->finish());
  }
  std::string openError() {
    auto payload = Payload::open(path);
    return payload ? "" : payload.error().message;
  }
  void flip(uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }

  std::string directory, path;
  std::vector<char> big;
};

TEST_F(PayloadTest, GivesBackWhatWasWritten) {
  write();
  auto payload = Payload::open(path);
  ASSERT_TRUE(payload) << payload.error().message;
  ASSERT_EQ(payload->sections().size(), 3u);
  const PayloadSection *weights = payload->find("weights");
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights->offset % payloadAlignment, 0u);
  auto mapped = payload->map(*weights);
  ASSERT_TRUE(mapped) << mapped.error().message;
  ASSERT_EQ(mapped->bytes().size(), big.size());
  EXPECT_EQ(std::memcmp(mapped->bytes().data(), big.data(), big.size()), 0);
  // Page cache in huge pages can be mapped as such only at the file's own phase.
  EXPECT_EQ(reinterpret_cast<uint64_t>(mapped->bytes().data()) % (2 << 20), weights->offset % (2 << 20));
  EXPECT_TRUE(payload->verify(*weights));
  EXPECT_EQ(payload->map(*payload->find("empty"))->bytes().size(), 0u);
  EXPECT_EQ(payload->find("tokenizer"), nullptr);
}

TEST_F(PayloadTest, SameSectionsGiveSameBytes) {
  write();
  std::string first = *readWholeFile(path);
  std::ofstream(path) << "this stands for an ELF file";
  write();
  EXPECT_TRUE(first == *readWholeFile(path));
}

TEST_F(PayloadTest, ChecksumSeesEveryFlippedBitAndTheSize) {
  std::vector<char> bytes(77, 'x');
  uint64_t sum = payloadChecksum(bytes.data(), bytes.size());
  for (char &byte : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      byte ^= static_cast<char>(1 << bit);
      EXPECT_NE(payloadChecksum(bytes.data(), bytes.size()), sum);
      byte ^= static_cast<char>(1 << bit);
    }
  bytes.push_back('\0');
  EXPECT_NE(payloadChecksum(bytes.data(), bytes.size()), sum);
}

TEST_F(PayloadTest, FileWithoutPayloadIsAnError) {
  EXPECT_EQ(openError(), path + ": no model in this file: 27 bytes are too few for a payload");
  std::ofstream(path) << std::string(500, '.');
  EXPECT_EQ(openError(), path + ": no payload at the end of this file: it was cut short, changed or never had one");
}

TEST_F(PayloadTest, TruncatedAndGrownFilesAreErrors) {
  write();
  uint64_t size = std::filesystem::file_size(path);
  std::string whole = *readWholeFile(path);
  std::filesystem::resize_file(path, size - 1);
  EXPECT_NE(openError().find("cut short"), std::string::npos);
  std::ofstream(path, std::ios::binary) << whole.substr(100);
  EXPECT_EQ(openError(), path + ": written with " + std::to_string(size) + " bytes, has " + std::to_string(size - 100));
}

TEST_F(PayloadTest, DamagedTableIsAnError) {
  write();
  uint64_t size = std::filesystem::file_size(path);
  flip(size - sizeof(PayloadFooter) - 5);
  EXPECT_EQ(openError(), path + ": the payload's table is damaged: its checksum is wrong");
  flip(size - sizeof(PayloadFooter) - 5);
  flip(size - sizeof(PayloadFooter) + 8); // the count
  EXPECT_NE(openError().find("the payload's table is damaged: 19 sections"), std::string::npos) << openError();
}

TEST_F(PayloadTest, DamagedSectionIsAnError) {
  write();
  auto payload = Payload::open(path);
  const PayloadSection *weights = payload->find("weights");
  flip(weights->offset + 2 * payloadPieceBytes + 7);
  std::string expected = path + ": section 'weights' is damaged: its checksum is wrong (" +
                         std::to_string(weights->size) + " bytes at byte " + std::to_string(weights->offset) + ")";
  EXPECT_EQ(payload->map(*weights).error().message, expected);
  EXPECT_EQ(payload->verify(*weights).error().message, expected);
  EXPECT_TRUE(payload->map(*payload->find("info")));
}

TEST_F(PayloadTest, BadSectionNamesAreErrors) {
  auto writer = PayloadWriter::append(path);
  EXPECT_EQ(writer->add("a name of many characters", "", 0).error().message,
            "payload section name 'a name of many characters' has 25 bytes, expected 1 to 23");
  ASSERT_TRUE(writer->add("info", "", 0));
  EXPECT_EQ(writer->add("info", "", 0).error().message, "payload section 'info' is written twice");
}

TEST_F(PayloadTest, OutputFileAppearsOnlyWhenCommitted) {
  std::string output = directory + "/out";
  {
    auto abandoned = OutputFile::create(output);
    ASSERT_TRUE(abandoned->write("abc", 3));
  }
  EXPECT_FALSE(std::filesystem::exists(output));
  auto kept = OutputFile::create(output);
  ASSERT_TRUE(kept->write("abc", 3));
  EXPECT_FALSE(std::filesystem::exists(output));
  ASSERT_TRUE(kept->commit());
  EXPECT_EQ(*readWholeFile(output), "abc");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 2);
}

} // namespace
