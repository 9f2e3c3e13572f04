// CSV and TSV: a record is a block, "name: value; name: value". Context: the delimiter, the number
// of the column that comes next (counted from 0), its state (':' before a field, 'q' inside quotes,
// 'u' inside a field without them), a blank, and the column names as a record of CSV, empty if the
// table has none.
#include <algorithm>

#include "extract/csv.h"
#include "extract/scan.h"

namespace kedge {
namespace {

constexpr std::string_view kDelimiters = ",;\t|";

struct CsvContext {
  char delimiter = ',';
  std::size_t column = 0;
  char state = ':';
  std::string header;
};

std::string encode_context(const CsvContext& context) {
  return context.delimiter + std::to_string(context.column) + context.state + ' ' + context.header;
}

Result<CsvContext> parse_context(std::string_view text) {
  CsvContext context;
  const Error bad{Code::kInvalid, "csv context is not 'delimiter column state names'"};
  if (text.empty() || kDelimiters.find(text[0]) == std::string_view::npos) return bad;
  context.delimiter = text[0];
  std::size_t at = 1;
  while (at < text.size() && is_digit(text[at]) && at < 8) {
    context.column = context.column * 10 + static_cast<std::size_t>(text[at++] - '0');
  }
  if (at == 1 || at + 2 > text.size() || text[at + 1] != ' ') return bad;
  context.state = text[at];
  if (std::string_view(":qu").find(context.state) == std::string_view::npos) return bad;
  context.header = text.substr(at + 2);
  return context;
}

std::string encode_header(const std::vector<std::string>& names, char delimiter) {
  std::string header;
  for (const std::string& name : names) {
    if (header.size() + 2 * name.size() + 3 > kMaxCsvHeader) break;
    if (!header.empty()) header += delimiter;
    header += '"';
    for (const char c : name) header += c == '"' ? std::string("\"\"") : std::string(1, c);
    header += '"';
  }
  return header;
}

std::vector<std::string> field_texts(std::string_view text, const std::vector<CsvField>& fields) {
  std::vector<std::string> texts;
  texts.reserve(fields.size());
  for (const CsvField& field : fields) texts.push_back(csv_field_text(text, field, kMaxShownName));
  return texts;
}

class CsvScanner {
 public:
  CsvScanner(const ScanInput& input, BlockSink& sink)
      : input_(input), text_(input.text), sink_(sink) {}

  Status run() {
    KEDGE_TRY(begin());
    const CsvContext fresh{context_.delimiter, 0, ':', context_.header};
    const std::string row_context = encode_context(fresh);
    std::string this_context = encode_context(context_);
    while (at_ < text_.size() && !sink_.full()) {
      const std::size_t start = at_;
      read_csv_record(text_, context_.delimiter, start_state(), at_, fields_);
      const bool blank =
          fields_.size() == 1 && !fields_[0].quoted && fields_[0].begin == fields_[0].end;
      if (!blank) {
        ++row_;
        emit(start, this_context);
      }
      remember_end(start, fresh);
      this_context = row_context;
    }
    sink_.end_context = encode_context(context_);
    return sink_.status();
  }

 private:
  Status begin() {
    if (!input_.whole) {
      context_ = KEDGE_TRY(parse_context(input_.context));
      std::size_t at = 0;
      if (!context_.header.empty()) {
        read_csv_record(context_.header, context_.delimiter, CsvStart::kField, at, fields_);
        names_ = field_texts(context_.header, fields_);
      }
      return {};
    }
    context_.delimiter = input_.tabs ? '\t' : sniff_csv_delimiter(text_);
    if (!has_csv_header(text_, context_.delimiter)) return {};
    read_csv_record(text_, context_.delimiter, CsvStart::kField, at_, fields_);
    ++row_;
    context_.header = encode_header(field_texts(text_, fields_), context_.delimiter);
    // Read back, so that a header cut at its limit names the same columns here and in a span.
    std::size_t at = 0;
    read_csv_record(context_.header, context_.delimiter, CsvStart::kField, at, fields_);
    names_ = field_texts(context_.header, fields_);
    return {};
  }

  [[nodiscard]] CsvStart start_state() const {
    return context_.state == 'q'   ? CsvStart::kInQuotes
           : context_.state == 'u' ? CsvStart::kInField
                                   : CsvStart::kField;
  }

  void emit(std::size_t start, std::string_view context) {
    sink_.open(BlockKind::kTableRow, start, context, 0, row_);
    const bool continued = context_.state != ':';
    std::size_t end = start;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const CsvField& field = fields_[i];
      const std::size_t column = context_.column + i;
      const bool named = column < names_.size() && !(i == 0 && continued);
      const std::size_t place = i == 0 ? start : field.begin - (field.quoted ? 1 : 0);
      if (put_value(field, place, named ? names_[column] : std::string_view())) {
        end = field.quoted && !field.open ? field.end + 1 : field.end;
      }
    }
    sink_.close(end);
  }

  // False where the field is blank. The name carries the place of the whole field, so that a cut
  // keeps them together.
  bool put_value(const CsvField& field, std::size_t place, std::string_view name) {
    bool any = false;
    bool gap = false;
    for (std::size_t at = field.begin; at < field.end;) {
      if (is_space(text_[at])) {
        gap = true;
        ++at;
        continue;
      }
      if (!any && !sink_.current().text.empty()) sink_.put_as("; ", place);
      if (!any && !name.empty()) sink_.put_as(name, place);
      if (!any && !name.empty()) sink_.put_as(": ", place);
      if (any && gap) sink_.put_as(" ", at);
      any = true;
      gap = false;
      const bool doubled = field.quoted && text_[at] == '"';
      std::size_t stop = at + 1;
      while (!doubled && stop < field.end && !is_space(text_[stop]) &&
             !(field.quoted && text_[stop] == '"'))
        ++stop;
      sink_.put(text_.substr(at, stop - at), at);
      at = stop + (doubled ? 1 : 0);
    }
    return any;
  }

  // What holds behind the record: a piece of a longer one ends inside a field or right before one.
  void remember_end(std::size_t start, const CsvContext& fresh) {
    const bool line_ended =
        at_ > start && (text_[at_ - 1] == '\n' || text_[at_ - 1] == '\r') && !fields_.back().open;
    const std::size_t column = context_.column + fields_.size() - 1;
    context_ = fresh;
    if (at_ < text_.size() || line_ended) return;
    context_.column = column;
    const CsvField& last = fields_.back();
    const bool empty = !last.quoted && is_blank(text_.substr(last.begin, last.end - last.begin));
    context_.state = last.open ? 'q' : empty ? ':' : 'u';
  }

  const ScanInput& input_;
  std::string_view text_;
  BlockSink& sink_;
  CsvContext context_;
  std::vector<std::string> names_;
  std::vector<CsvField> fields_;
  std::size_t at_ = 0;
  std::uint64_t row_ = 0;
};

}  // namespace

Status scan_csv(const ScanInput& input, BlockSink& sink) { return CsvScanner(input, sink).run(); }

}  // namespace kedge
