#include <algorithm>
#include <tuple>

#include "format/attributes.h"
#include "format/attributes_key.h"
#include "format/attributes_writer.h"

namespace kedge {
namespace {

constexpr std::uint32_t kKinds = 4;
// What a text takes in a table beside its bytes, roughly; finish() has two numbers of each.
constexpr std::uint64_t kTextOverhead = 96;

// The texts in order, and by the number of each its place in it.
struct Ordered {
  std::vector<const std::string*> texts;
  std::vector<std::uint32_t> place_of;
};

Ordered order(const std::unordered_map<std::string, std::uint32_t>& numbers) {
  std::vector<std::pair<const std::string*, std::uint32_t>> all;
  all.reserve(numbers.size());
  for (const auto& [text, number] : numbers) all.emplace_back(&text, number);
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return *a.first < *b.first; });
  Ordered out;
  out.place_of.resize(all.size());
  for (const auto& [text, number] : all) {
    out.place_of[number] = static_cast<std::uint32_t>(out.texts.size());
    out.texts.push_back(text);
  }
  return out;
}

void add_object(std::vector<ObjectRun>& runs, std::uint32_t object) {
  if (!runs.empty() && object < runs.back().end) return;
  if (!runs.empty() && object == runs.back().end) {
    ++runs.back().end;
  } else {
    runs.push_back({object, object + 1});
  }
}

}  // namespace

std::uint32_t AttributesBuilder::number_of(std::unordered_map<std::string, std::uint32_t>& numbers,
                                           std::string text) {
  const auto next = static_cast<std::uint32_t>(numbers.size());
  const auto [at, fresh] = numbers.emplace(std::move(text), next);
  if (fresh) text_bytes_ += kTextOverhead + at->first.size();
  return at->second;
}

void AttributesBuilder::add_value(std::uint32_t name, std::uint8_t kind, std::uint32_t object,
                                  std::uint64_t value) {
  values_.push_back({.attribute = name * kKinds + kind, .object = object, .value = value});
}

void AttributesBuilder::add_scalar(std::uint32_t name, std::uint32_t object,
                                   const MetadataScalar& scalar) {
  const auto add_kind = [&](AttributeKind kind, std::uint64_t value) {
    add_value(name, static_cast<std::uint8_t>(kind), object, value);
  };
  if (const auto* boolean = std::get_if<bool>(&scalar)) {
    add_kind(AttributeKind::kBoolean, *boolean ? 1 : 0);
  } else if (const auto* number = std::get_if<double>(&scalar)) {
    add_kind(AttributeKind::kNumber, ordered_bits(*number));
  } else {
    const auto& text = std::get<std::string>(scalar);
    add_kind(AttributeKind::kText, number_of(texts_, text));
    // What a text spells is found as that, too.
    if (const auto spelled = number_spelled(text))
      add_kind(AttributeKind::kNumber, ordered_bits(*spelled));
    if (const auto spelled = boolean_spelled(text))
      add_kind(AttributeKind::kBoolean, *spelled ? 1 : 0);
  }
}

void AttributesBuilder::add(std::uint32_t object, const ObjectRow& row) {
  const auto own = [&](std::string_view name) {
    return number_of(names_, attribute_key(AttributeScope::kOwn, name));
  };
  add_scalar(own("size"), object, static_cast<double>(row.size));
  if (!row.media_type.empty()) add_scalar(own("media_type"), object, row.media_type);
  if (row.last_modified.micros != 0)
    add_scalar(own("modified"), object, static_cast<double>(row.last_modified.micros));
  for (const auto& [name, value] : row.metadata) {
    const std::uint32_t number = number_of(names_, attribute_key(AttributeScope::kMetadata, name));
    const MetadataList scalars = scalars_of(value);
    for (const MetadataScalar& scalar : scalars) add_scalar(number, object, scalar);
    // Every other value tells of the object's having it as well.
    if (scalars.empty())
      add_value(number, static_cast<std::uint8_t>(AttributeKind::kPresence), object, 0);
  }
}

AttributesBuilder::Plane AttributesBuilder::finish() && {
  const Ordered names = order(names_);
  const Ordered texts = order(texts_);
  for (Value& value : values_) {
    const std::uint32_t kind = value.attribute % kKinds;
    value.attribute = names.place_of[value.attribute / kKinds] * kKinds + kind;
    if (kind == static_cast<std::uint32_t>(AttributeKind::kText))
      value.value = texts.place_of[value.value];
  }
  std::sort(values_.begin(), values_.end(), [](const Value& a, const Value& b) {
    return std::tie(a.attribute, a.value, a.object) < std::tie(b.attribute, b.value, b.object);
  });
  AttributesPageWriter writer;
  std::vector<std::uint32_t> objects;
  for (std::size_t first = 0; first < values_.size();) {
    const std::string& attribute = *names.texts[values_[first].attribute / kKinds];
    std::size_t end = first;
    objects.clear();
    for (; end < values_.size() &&
           values_[end].attribute / kKinds == values_[first].attribute / kKinds;
         ++end) {
      objects.push_back(values_[end].object);
    }
    std::sort(objects.begin(), objects.end());
    AttributeEntry entry{presence_key(attribute), {}};
    for (const std::uint32_t object : objects) add_object(entry.objects, object);
    writer.add(entry);
    while (first < end) {
      const Value& value = values_[first];
      const auto kind = static_cast<AttributeKind>(value.attribute % kKinds);
      entry.objects.clear();
      for (; first < end && values_[first].attribute == value.attribute &&
             values_[first].value == value.value;
           ++first) {
        add_object(entry.objects, values_[first].object);
      }
      if (kind == AttributeKind::kPresence) continue;
      entry.key = kind == AttributeKind::kBoolean  ? boolean_key(attribute, value.value == 1)
                  : kind == AttributeKind::kNumber ? key_of_bits(attribute, value.value)
                                                   : text_key(attribute, *texts.texts[value.value]);
      writer.add(entry);
    }
  }
  return std::move(writer).take();
}

}  // namespace kedge
