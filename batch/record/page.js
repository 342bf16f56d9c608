// Search and filter. At most so many rows are laid out at once: ten thousand take seconds.
document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", function () {
  "use strict";
  function byId(id) { return document.getElementById(id); }
  var search = byId("search"), outcome = byId("filter"), code = byId("code");
  var first = byId("first"), count = byId("count"), more = byId("more"), table = byId("all");
  var atOnce = Number(table.dataset.atOnce), most = atOnce, texts = null;
  var rows = Array.prototype.slice.call(table.tBodies[0].rows);

  function set(row, isMatch, isLater) {
    if (row.hidden === isMatch) { row.hidden = !isMatch; }
    if (row.classList.contains("later") !== isLater) { row.classList.toggle("later", isLater); }
  }
  function apply() {
    texts = texts || rows.map(function (row) { return row.textContent.toLowerCase(); });
    var wanted = search.value.trim().toLowerCase(), found = 0;
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
  function again() { most = atOnce; apply(); }
  search.addEventListener("input", again);
  outcome.addEventListener("change", again);
  code.addEventListener("change", again);
  more.addEventListener("click", function () { most = Infinity; apply(); search.focus(); });
  again();
});
