// What makes the pages quicker to use. Everything works without it.
(function () {
  "use strict";
  function each(selector, work) { Array.prototype.forEach.call(document.querySelectorAll(selector), work); }
  document.documentElement.classList.add("js");

  // A list can be dropped anywhere on the start page.
  each("form.upload", function (form) {
    var file = form.querySelector("input[type=file]");
    ["dragover", "drop"].forEach(function (name) {
      document.addEventListener(name, function (event) { event.preventDefault(); });
    });
    document.addEventListener("dragover", function () { form.classList.add("over"); });
    document.addEventListener("dragleave", function () { form.classList.remove("over"); });
    document.addEventListener("drop", function (event) {
      form.classList.remove("over");
      if (event.dataTransfer && event.dataTransfer.files.length === 1) {
        file.files = event.dataTransfer.files;
        form.submit();
      }
    });
  });

  // The samples beside a select are those of the column that is chosen.
  each("select[data-samples]", function (select) {
    var shown = select.parentElement.querySelector(".samples");
    select.addEventListener("change", function () {
      shown.textContent = select.selectedOptions[0].dataset.samples || "";
    });
  });

  // A problem, or what came of the last check, is where a keyboard or a screen reader goes first.
  var problem = document.getElementById("error");
  if (problem) { problem.focus(); } else if (location.hash === "#result") {
    var result = document.getElementById("result");
    if (result) { result.focus(); }
  }

  // A corrected value is checked at once; the row stays where it is until the next look.
  each("form.correct", function (form) {
    var heading = document.getElementById("result"), lead = document.getElementById("lead"), asked = 0;
    if (!heading) { return; }
    function update(told) {
      heading.textContent = told.getElementById("result").textContent;
      lead.textContent = told.getElementById("lead").textContent;
      Array.prototype.forEach.call(form.querySelectorAll(".sheet input[id], .sheet textarea[id]"), function (input) {
        var cell = input.closest("td"), other = told.getElementById(input.id), source = other && other.closest("td");
        Array.prototype.forEach.call(cell.querySelectorAll(".error"), function (old) { old.remove(); });
        cell.classList.toggle("wrong", Boolean(source && source.classList.contains("wrong")));
        ["aria-invalid", "aria-describedby"].forEach(function (name) {
          if (other && other.hasAttribute(name)) { input.setAttribute(name, other.getAttribute(name)); } else { input.removeAttribute(name); }
        });
        if (source) { Array.prototype.forEach.call(source.querySelectorAll(".error"), function (line) { cell.insertBefore(line.cloneNode(true), input); }); }
      });
    }
    form.addEventListener("change", function (event) {
      if (!event.target.closest(".sheet") || event.target.type === "checkbox") { return; }
      var mine = ++asked;
      fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin"})
        .then(function (answer) { return answer.ok ? answer.text() : Promise.reject(); })
        .then(function (text) { if (mine === asked) { update(new DOMParser().parseFromString(text, "text/html")); } })
        .catch(function () {});  // the button checks all the same
    });
  });

  // Nothing is sent twice by a second click.
  each("form", function (form) {
    form.addEventListener("submit", function () {
      window.setTimeout(function () {
        Array.prototype.forEach.call(form.querySelectorAll("button"), function (button) { button.disabled = true; });
      }, 0);
    });
  });
  window.addEventListener("pageshow", function () { each("button", function (button) { button.disabled = false; }); });

  // Progress.
  function set(element, text) { if (element.textContent !== text) { element.textContent = text; } }
  function show(told) {
    var bar = document.getElementById("bar"), state = document.getElementById("state");
    var numbers = new Intl.NumberFormat("en-GB");
    if (told.rows) { bar.max = told.rows; bar.value = told.done; document.getElementById("counts").hidden = false; }
    if (told.is_stopping) { set(state, "Stopping: no more rows are sent. Waiting for the replies to those under way."); }
    else if (told.is_settled) { set(state, "All rows are settled. Reading back what was deferred, and writing the report."); }
    else if (told.rows) { set(state, numbers.format(told.done) + " of " + numbers.format(told.rows) + (told.rows === 1 ? " row" : " rows") + " settled."); }
    set(document.getElementById("left"), told.left);
    each("[data-outcome]", function (count) { set(count, numbers.format(told.counts[count.dataset.outcome] || 0)); });
    var warnings = document.getElementById("warnings");
    if (warnings.childElementCount !== told.warnings.length) {
      warnings.replaceChildren.apply(warnings, told.warnings.map(function (words) {
        var line = document.createElement("p"), mark = document.createElement("span");
        line.className = "warning";
        mark.className = "mark"; mark.setAttribute("aria-hidden", "true"); mark.textContent = "!";
        line.append(mark, " " + words);
        return line;
      }));
    }
  }
  var progress = document.getElementById("progress");
  if (progress) {
    var source = new EventSource(progress.dataset.events);
    source.onmessage = function (message) {
      var told = JSON.parse(message.data);
      show(told);
      if (told.ended) { source.close(); location.reload(); }
    };
  }

  // The app ends by itself once no page is open: this one is.
  window.setInterval(function () { fetch("/alive", {credentials: "same-origin"}).catch(function () {}); }, 60000);
}());
