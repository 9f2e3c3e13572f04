#include "ingest/spill.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <queue>
#include <utility>

#include "base/errno_text.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::size_t kFrameBytes = 128 * 1024;
constexpr std::size_t kMaxEntryString = 8192;
constexpr int kRacyBit = 1;
constexpr int kArchivedBit = 2;

std::size_t memory_of(const ObjectInfo& info) {
  return sizeof(ObjectInfo) + info.key.size() + info.tag.value.size() + info.media_type.size() +
         info.storage_class.size();
}

void encode_entry(ByteWriter& out, const ObjectInfo& info) {
  out.put_string(info.key);
  out.put_string(info.tag.value);
  out.put_string(info.media_type);
  out.put_string(info.storage_class);
  out.put(info.size);
  out.put(info.last_modified.micros);
  out.put(
      static_cast<std::uint8_t>((info.racy ? kRacyBit : 0) | (info.archived ? kArchivedBit : 0)));
}

ObjectInfo decode_entry(ByteReader& in) {
  ObjectInfo info;
  info.key = in.get_string(kMaxEntryString);
  info.tag.value = in.get_string(kMaxEntryString);
  info.media_type = in.get_string(kMaxEntryString);
  info.storage_class = in.get_string(kMaxEntryString);
  info.size = in.get<std::uint64_t>();
  info.last_modified.micros = in.get<std::int64_t>();
  const auto bits = in.get<std::uint8_t>();
  info.racy = (bits & kRacyBit) != 0;
  info.archived = (bits & kArchivedBit) != 0;
  return info;
}

// By key; of one key the one modified last comes first.
bool before(const ObjectInfo& a, const ObjectInfo& b) {
  if (a.key != b.key) return a.key < b.key;
  return a.last_modified > b.last_modified;
}

Error disk_error(const std::string& folder, std::string_view what) {
  const int error = errno;
  const Code code = error == ENOSPC || error == EDQUOT ? Code::kExhausted : Code::kUnavailable;
  return {code, str_cat("scratch folder ", folder, ": ", what, ": ", errno_text(error))};
}

// One run, or what stayed in memory, in order.
class Cursor {
 public:
  explicit Cursor(const std::vector<ObjectInfo>* memory) : memory_(memory) {}
  Cursor(const std::string* folder, int file, const Spill::Run* run)
      : folder_(folder), file_(file), run_(run) {}

  // False at the end.
  Result<bool> advance() {
    if (memory_ != nullptr) {
      if (next_ == memory_->size()) return false;
      current_ = (*memory_)[next_++];
      return true;
    }
    while (reader_.remaining() == 0) {
      if (frame_ == run_->frames.size()) return false;
      KEDGE_TRY(load(run_->frames[frame_++]));
    }
    current_ = decode_entry(reader_);
    if (!reader_.ok()) return Error{Code::kCorrupt, "scratch file: an entry is cut short"};
    return true;
  }
  [[nodiscard]] const ObjectInfo& current() const { return current_; }

 private:
  Status load(const Spill::Frame& frame) {
    Bytes stored(frame.stored_bytes);
    const ssize_t got =
        pread(file_, stored.data(), stored.size(), static_cast<off_t>(frame.offset));
    if (got != static_cast<ssize_t>(stored.size())) return disk_error(*folder_, "read");
    raw_.resize(frame.raw_bytes);
    const std::size_t size =
        ZSTD_decompress(raw_.data(), raw_.size(), stored.data(), stored.size());
    if (ZSTD_isError(size) != 0 || size != raw_.size())
      return {Code::kCorrupt, "scratch file: a frame is damaged"};
    reader_ = ByteReader(raw_);
    return {};
  }

  const std::vector<ObjectInfo>* memory_ = nullptr;
  std::size_t next_ = 0;
  const std::string* folder_ = nullptr;
  int file_ = -1;
  const Spill::Run* run_ = nullptr;
  std::size_t frame_ = 0;
  Bytes raw_;
  ByteReader reader_{ByteView()};
  ObjectInfo current_;
};

class MergeReader final : public Spill::Reader {
 public:
  explicit MergeReader(std::vector<Cursor> cursors) : cursors_(std::move(cursors)) {}

  Result<std::optional<ObjectInfo>> next() override {
    if (!started_) {
      started_ = true;
      for (std::size_t i = 0; i < cursors_.size(); ++i) KEDGE_TRY(push(i));
    }
    while (!heap_.empty()) {
      const std::size_t i = heap_.top();
      heap_.pop();
      ObjectInfo info = cursors_[i].current();
      KEDGE_TRY(push(i));
      if (any_ && info.key == last_key_) continue;
      any_ = true;
      last_key_ = info.key;
      return std::optional<ObjectInfo>(std::move(info));
    }
    return std::optional<ObjectInfo>();
  }

 private:
  Status push(std::size_t i) {
    if (KEDGE_TRY(cursors_[i].advance())) heap_.push(i);
    return {};
  }

  struct After {
    const std::vector<Cursor>* cursors;
    bool operator()(std::size_t a, std::size_t b) const {
      return before((*cursors)[b].current(), (*cursors)[a].current());
    }
  };
  std::vector<Cursor> cursors_;
  std::priority_queue<std::size_t, std::vector<std::size_t>, After> heap_{After{&cursors_}};
  std::string last_key_;
  bool any_ = false;
  bool started_ = false;
};

}  // namespace

Spill::Spill(std::string folder, std::size_t memory_bytes)
    : folder_(std::move(folder)), memory_bytes_(memory_bytes) {}

Spill::~Spill() {
  if (file_ >= 0) close(file_);
}

Status Spill::add(ObjectInfo info) {
  buffer_bytes_ += memory_of(info);
  buffer_.push_back(std::move(info));
  ++added_;
  if (buffer_bytes_ >= memory_bytes_) return flush();
  return {};
}

Status Spill::seal() {
  std::sort(buffer_.begin(), buffer_.end(), before);
  return {};
}

Status Spill::flush() {
  if (file_ < 0) {
    // Unlinked from the start: nothing is left behind, however the process ends.
    std::string name = folder_ + "/listing-XXXXXX";
    file_ = mkostemp(name.data(), O_CLOEXEC);
    if (file_ < 0) return disk_error(folder_, "create a file");
    unlink(name.c_str());
  }
  std::sort(buffer_.begin(), buffer_.end(), before);
  // A listing in order makes one run, however long it is.
  if (runs_.empty() || buffer_.front().key < runs_.back().last_key) runs_.emplace_back();
  Run& run = runs_.back();
  ByteWriter raw;
  for (const ObjectInfo& info : buffer_) {
    encode_entry(raw, info);
    if (raw.size() >= kFrameBytes) {
      KEDGE_TRY(write_frame(run, raw.view()));
      raw = ByteWriter();
    }
  }
  if (raw.size() > 0) KEDGE_TRY(write_frame(run, raw.view()));
  run.last_key = buffer_.back().key;
  buffer_.clear();
  buffer_bytes_ = 0;
  return {};
}

Status Spill::write_frame(Run& run, ByteView raw) {
  Bytes stored(ZSTD_compressBound(raw.size()));
  const std::size_t size = ZSTD_compress(stored.data(), stored.size(), raw.data(), raw.size(), 1);
  if (ZSTD_isError(size) != 0) return {Code::kInternal, "scratch file: compression failed"};
  if (pwrite(file_, stored.data(), size, static_cast<off_t>(file_size_)) !=
      static_cast<ssize_t>(size)) {
    return disk_error(folder_, "write");
  }
  run.frames.push_back(
      {file_size_, static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(raw.size())});
  file_size_ += size;
  return {};
}

std::unique_ptr<Spill::Reader> Spill::read() const {
  std::vector<Cursor> cursors;
  for (const Run& run : runs_) cursors.emplace_back(&folder_, file_, &run);
  cursors.emplace_back(&buffer_);
  return std::make_unique<MergeReader>(std::move(cursors));
}

}  // namespace kedge
