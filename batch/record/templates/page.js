// Search and filter. At most so many rows are laid out at once: ten thousand take seconds.
document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", function () {
  "use strict";
  function byId(id) { return document.getElementById(id); }
  var search = byId("search"), outcome = byId("filter"), code = byId("code");
  var first = byId("first"), count = byId("count"), more = byId("more"), table = byId("all");
  var atOnce = Number(table.dataset.atOnce), most = atOnce, texts = null, unfolded = [];
  var rows = Array.prototype.slice.call(table.tBodies[0].rows);

  function plain(text) { return text.toLowerCase().replace(/_/g, " "); }
  function set(row, isMatch, isLater) {
    if (row.hidden === isMatch) { row.hidden = !isMatch; }
    if (row.classList.contains("later") !== isLater) { row.classList.toggle("later", isLater); }
  }
  function textOf(row) {
    var date = row.querySelector("time");
    var texts = Array.prototype.map.call(row.cells, function (cell) { return cell.textContent; });
    return plain(texts.concat(date ? date.dateTime : []).join("\n"));
  }
  function apply() {
    var wanted = plain(search.value.trim()), found = 0;
    if (wanted) { texts = texts || rows.map(textOf); }
    rows.forEach(function (row, place) {
      var isMatch = (!outcome.value || row.dataset.outcome === outcome.value) &&
        (!code.value || row.cells[4].textContent === code.value) &&
        (!wanted || texts[place].indexOf(wanted) >= 0);
      found += isMatch ? 1 : 0;
      set(row, isMatch, isMatch && found > most);
    });
    first.textContent = found > most ? "the first " + most + " of " : "";
    count.textContent = found.toLocaleString("en-GB") + (found > most ? " matching" :
      " of " + rows.length.toLocaleString("en-GB")) + " rows shown";
    more.hidden = found <= most;
    more.textContent = "Show all " + found.toLocaleString("en-GB") + " rows";
  }
  function name(role, elements) {
    Array.prototype.forEach.call(elements, function (element) { element.setAttribute("role", role); });
  }
  if (window.matchMedia("(max-width: 45rem)").matches) {  // laid out as cards: say that it is a table
    name("table", [table]);
    name("rowgroup", [table.tHead, table.tBodies[0]]);
    name("row", table.rows);
    name("columnheader", table.tHead.rows[0].cells);
    rows.forEach(function (row) { name("cell", row.cells); });
  }
  function again() { most = atOnce; apply(); }
  search.addEventListener("input", again);
  outcome.addEventListener("change", again);
  code.addEventListener("change", again);
  more.addEventListener("click", function () { most = Infinity; apply(); search.focus(); });
  window.addEventListener("beforeprint", function () {
    unfolded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    unfolded.forEach(function (folded) { folded.open = true; });
  });
  window.addEventListener("afterprint", function () {
    unfolded.forEach(function (folded) { folded.open = false; });
  });
  again();
});
