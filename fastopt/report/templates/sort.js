document.querySelectorAll("table.sortable").forEach(function (table) {
  var heads = table.tHead.rows[0].cells, body = table.tBodies[0];
  Array.prototype.forEach.call(heads, function (head, column) {
    var button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending";
      Array.prototype.forEach.call(heads, function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      function key(row) {
        var cell = row.cells[column], raw = cell.getAttribute("data-sort");
        return { text: cell.textContent, value: raw === "inf" ? Infinity : raw === "-inf" ? -Infinity : parseFloat(raw === null ? cell.textContent : raw) };
      }
      Array.prototype.slice.call(body.rows).map(function (row) { row.classList.remove("first"); return [key(row), row]; })
        .sort(function (a, b) {
          var x = a[0], y = b[0], none = isNaN(x.value) - isNaN(y.value);
          if (isNaN(x.value) && isNaN(y.value)) return (up ? 1 : -1) * x.text.localeCompare(y.text);
          if (none) return none;
          return x.value === y.value ? 0 : (up ? 1 : -1) * (x.value < y.value ? -1 : 1);
        }).forEach(function (pair) { body.appendChild(pair[1]); });
    });
  });
});
