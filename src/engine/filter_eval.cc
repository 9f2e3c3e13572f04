#include "engine/filter_eval.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"
#include "engine/lookup.h"
#include "format/attributes.h"

namespace kedge {
namespace {

using Kind = Filter::Kind;
using FieldKind = FilterField::Kind;

// A condition, as what is read to know of which objects it holds.
struct Condition {
  std::vector<AttributeRange> ranges;  // by begin
  std::vector<KeyRange> keys;
};

std::string attribute_of(const FilterField& field) {
  switch (field.kind) {
    case FieldKind::kMediaType:
      return attribute_key(AttributeScope::kOwn, "media_type");
    case FieldKind::kSize:
      return attribute_key(AttributeScope::kOwn, "size");
    case FieldKind::kModified:
      return attribute_key(AttributeScope::kOwn, "modified");
    default:
      return attribute_key(AttributeScope::kMetadata, field.name);
  }
}

std::string value_key(const std::string& attribute, const MetadataScalar& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text_key(attribute, *text);
  if (const auto* number = std::get_if<double>(&value)) return number_key(attribute, *number);
  return boolean_key(attribute, std::get<bool>(value));
}

// Every number of an attribute: keys from its first number on, below its first text.
AttributeRange numbers_of(const std::string& attribute) {
  std::string key = number_key(attribute, 0);
  key.resize(key.size() - 8);
  return beginning_with(std::move(key));
}

std::vector<AttributeRange> ranges_of(const Filter& filter) {
  const std::string attribute = attribute_of(filter.field);
  if (filter.kind == Kind::kExists) return {only(presence_key(attribute))};
  if (filter.kind == Kind::kIn) {
    std::vector<AttributeRange> out;
    for (const MetadataScalar& value : filter.values)
      out.push_back(only(value_key(attribute, value)));
    std::sort(out.begin(), out.end(),
              [](const AttributeRange& a, const AttributeRange& b) { return a.begin < b.begin; });
    return out;
  }
  const std::string key = value_key(attribute, filter.values[0]);
  if (filter.kind == Kind::kPrefix) return {beginning_with(key)};
  AttributeRange range = numbers_of(attribute);
  if (filter.kind == Kind::kLess) range.end = key;
  if (filter.kind == Kind::kLessOrEqual) range.end = only(key).end;
  if (filter.kind == Kind::kGreater) range.begin = only(key).end;
  if (filter.kind == Kind::kGreaterOrEqual) range.begin = key;
  return {std::move(range)};
}

// Of a condition on keys or on sources.
std::vector<KeyRange> keys_of(const Filter& filter, std::span<const SourceEntry> sources) {
  std::vector<KeyRange> out;
  for (const SourceEntry& source : sources) {
    if (filter.field.kind == FieldKind::kSource) {
      if (matches(filter, ObjectRow{}, source.uri)) out.push_back(range_of(source.number, ""));
      continue;
    }
    if (filter.kind == Kind::kExists) out.push_back(range_of(source.number, ""));
    for (const MetadataScalar& value : filter.values) {
      const auto& text = std::get<std::string>(value);
      if (filter.kind == Kind::kPrefix) {
        out.push_back(range_of(source.number, text));
      } else {
        std::string begin = sort_key(source.number, text);
        std::string end = begin + '\0';
        out.push_back({std::move(begin), std::move(end)});
      }
    }
  }
  return out;
}

class Evaluation {
 public:
  Evaluation(PageReader& reader, const Head& head, std::span<const SourceEntry> sources,
             std::span<const SegmentPtr> segments, const Filter& filter, SearchTrace* trace,
             Deadline deadline)
      : reader_(reader),
        head_(head),
        sources_(sources),
        segments_(segments),
        filter_(filter),
        trace_(trace),
        deadline_(deadline) {}

  Result<std::vector<ObjectBitmap>> run() {
    gather(filter_);
    KEDGE_TRY(find_numbers());
    std::vector<ObjectBitmap> out;
    while (out.size() < segments_.size()) KEDGE_TRY(read_window(out));
    return out;
  }

 private:
  // A page of a segment, and what is looked for in it.
  struct Look {
    const AttributeRange* range = nullptr;
    std::size_t condition = 0;
  };
  struct PagePlan {
    std::size_t page = 0;
    std::vector<Look> looks;  // by begin of the range
  };

  // The conditions from left to right.
  void gather(const Filter& filter) {
    for (const Filter& child : filter.children) gather(child);
    if (!filter.children.empty()) return;
    const bool by_key =
        filter.field.kind == FieldKind::kKey || filter.field.kind == FieldKind::kSource;
    Condition condition;
    if (by_key) {
      condition.keys = keys_of(filter, sources_);
    } else {
      condition.ranges = ranges_of(filter);
    }
    conditions_.push_back(std::move(condition));
  }

  // The objects of each condition on keys.
  Status find_numbers() {
    std::vector<KeyRange> ranges;
    std::vector<std::size_t> of;  // the condition of each
    for (std::size_t c = 0; c < conditions_.size(); ++c) {
      for (KeyRange& range : conditions_[c].keys) {
        ranges.push_back(std::move(range));
        of.push_back(c);
      }
    }
    if (ranges.size() > kMaxKeyConditions) {
      return {Code::kInvalid,
              str_cat("filter: conditions on ", ranges.size(),
                      " keys, each counted for every source, over ", kMaxKeyConditions)};
    }
    numbers_.resize(segments_.size());
    if (ranges.empty()) return {};
    for (const FoundRange& found :
         KEDGE_TRY(find_ranges(reader_, head_, segments_, ranges, trace_, deadline_))) {
      numbers_[found.segment].emplace_back(of[found.range],
                                           ObjectRun{found.numbers.begin, found.numbers.end});
    }
    return {};
  }

  // The pages that the conditions need of a segment.
  std::vector<PagePlan> plan(const Segment& segment) const {
    std::vector<std::pair<std::size_t, Look>> all;
    for (std::size_t c = 0; c < conditions_.size(); ++c) {
      for (const AttributeRange& range : conditions_[c].ranges) {
        const auto [begin, end] = attributes_pages_of(segment.directory(), range);
        for (std::size_t page = begin; page < end; ++page) all.push_back({page, {&range, c}});
      }
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return std::tie(a.first, a.second.range->begin) < std::tie(b.first, b.second.range->begin);
    });
    std::vector<PagePlan> out;
    for (const auto& [page, look] : all) {
      if (out.empty() || out.back().page != page) out.push_back({page, {}});
      out.back().looks.push_back(look);
    }
    return out;
  }

  // The next segments, as many as a window has room for.
  Status read_window(std::vector<ObjectBitmap>& out) {
    std::vector<PageWant> wants;
    std::vector<std::vector<PagePlan>> plans;
    std::uint64_t bytes = 0;
    for (std::size_t s = out.size(); s < segments_.size() && bytes < reader_.window_bytes(); ++s) {
      const Segment& segment = *segments_[s];
      const std::size_t first = wants.size();
      plans.push_back(plan(segment));
      if (segment.directory().attributes.empty()) {
        for (std::size_t page = 0; page < segment.directory().docs.size(); ++page)
          wants.push_back(docs_want(segment, page));
      } else {
        for (const PagePlan& page : plans.back())
          wants.push_back(attributes_want(segment, page.page));
      }
      for (std::size_t i = first; i < wants.size(); ++i) bytes += wants[i].page.size;
    }
    const std::vector<BlockPtr> pages =
        KEDGE_TRY(reader_.read_all(head_, wants, trace_, deadline_));
    std::size_t at = 0;
    for (const std::vector<PagePlan>& plan : plans) {
      const std::size_t number = out.size();
      const Segment& segment = *segments_[number];
      const bool has_plane = !segment.directory().attributes.empty();
      const std::size_t count = has_plane ? plan.size() : segment.directory().docs.size();
      const auto some = std::span(pages).subspan(at, count);
      at += count;
      Result<ObjectBitmap> found =
          has_plane ? by_plane(segment, plan, some, number) : by_rows(segment, some);
      if (!found.ok()) {
        return {found.code(), str_cat(segment.file()->key, ": ", found.error().message)};
      }
      out.push_back(*std::move(found));
    }
    return {};
  }

  Result<ObjectBitmap> by_rows(const Segment& segment, std::span<const BlockPtr> pages) const {
    ObjectBitmap out(segment.directory().objects);
    std::uint32_t number = 0;
    for (const BlockPtr& page : pages) {
      for (const DocsEntry& entry :
           KEDGE_TRY(parse_docs_page(page->bytes, number, segment.directory()))) {
        if (matches(filter_, entry.row, uri_of(entry.row.source))) out.add({number, number + 1});
        ++number;
      }
    }
    return out;
  }

  [[nodiscard]] std::string_view uri_of(std::uint32_t source) const {
    const auto at = std::find_if(sources_.begin(), sources_.end(),
                                 [&](const SourceEntry& s) { return s.number == source; });
    return at == sources_.end() ? std::string_view() : std::string_view(at->uri);
  }

  Result<ObjectBitmap> by_plane(const Segment& segment, const std::vector<PagePlan>& plan,
                                std::span<const BlockPtr> pages, std::size_t number) const {
    const SegmentDirectory& directory = segment.directory();
    std::vector<ObjectBitmap> of_condition(conditions_.size(), ObjectBitmap(directory.objects));
    for (std::size_t p = 0; p < plan.size(); ++p) {
      AttributesPage page = KEDGE_TRY(AttributesPage::open(
          pages[p]->bytes, static_cast<std::uint32_t>(plan[p].page), directory));
      auto first = plan[p].looks.begin();
      while (KEDGE_TRY(page.next())) {
        const AttributeEntry& entry = page.entry();
        while (first != plan[p].looks.end() && first->range->end <= entry.key) ++first;
        for (auto look = first; look != plan[p].looks.end() && look->range->begin <= entry.key;
             ++look) {
          if (entry.key >= look->range->end) continue;
          for (const ObjectRun& run : entry.objects) of_condition[look->condition].add(run);
        }
      }
    }
    for (const auto& [condition, run] : numbers_[number]) of_condition[condition].add(run);
    auto next = of_condition.begin();
    return combine(filter_, next);
  }

  // `next`: the bitmaps of the conditions from left to right.
  static ObjectBitmap combine(const Filter& filter, std::vector<ObjectBitmap>::iterator& next) {
    if (filter.children.empty()) return std::move(*next++);
    ObjectBitmap out = combine(filter.children.front(), next);
    if (filter.kind == Kind::kNot) out.invert();
    for (std::size_t i = 1; i < filter.children.size(); ++i) {
      const ObjectBitmap child = combine(filter.children[i], next);
      if (filter.kind == Kind::kAll) {
        out.intersect(child);
      } else {
        out.unite(child);
      }
    }
    return out;
  }

  PageReader& reader_;
  const Head& head_;
  std::span<const SourceEntry> sources_;
  std::span<const SegmentPtr> segments_;
  const Filter& filter_;
  SearchTrace* trace_;
  Deadline deadline_;
  std::vector<Condition> conditions_;
  // By segment: objects of conditions on keys.
  std::vector<std::vector<std::pair<std::size_t, ObjectRun>>> numbers_;
};

}  // namespace

Result<std::vector<ObjectBitmap>> matching(PageReader& reader, const Head& head,
                                           std::span<const SourceEntry> sources,
                                           std::span<const SegmentPtr> segments,
                                           const Filter& filter, SearchTrace* trace,
                                           Deadline deadline) {
  return Evaluation(reader, head, sources, segments, filter, trace, deadline).run();
}

}  // namespace kedge
