package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"example.com/handover/supervisor/status"
)

// ContentType is what Write writes.
const ContentType = "text/html; charset=utf-8"

// Where the page finds what belongs to it. It asks relative to itself, so that it
// may lie behind a proxy under another path.
const (
	Events = "/events"
	Assets = "/assets/"
)

//go:embed templates/*.html
var templates embed.FS

// parsed is not parsed before somebody asks: most masters are never looked at.
var parsed = sync.OnceValues(func() (*template.Template, error) {
	return template.ParseFS(templates, "templates/*.html")
})

// parts are the elements that are replaced as they change. Each is a template and
// the id of the one element that it makes.
var parts = []string{"now", "attention", "timeline", "reloads", "workers", "certificates", "service"}

// Section is one of the parts.
type Section struct{ ID, HTML string }

// View is a status at a moment. It is made at no cost, and rendered once, by
// whoever needs it first.
type View struct {
	model    func() *model
	sections func() ([]Section, error)
}

// Of returns the view of a status, which must not be changed any more.
func Of(s *status.Status, now time.Time) *View {
	v := &View{model: sync.OnceValue(func() *model { return describe(s, now) })}
	v.sections = sync.OnceValues(func() ([]Section, error) { return render(v.model()) })
	return v
}

func render(m *model) ([]Section, error) {
	t, err := parsed()
	if err != nil {
		return nil, fmt.Errorf("parse status page: %v", err)
	}
	list := make([]Section, 0, len(parts))
	for _, id := range parts {
		var b strings.Builder
		if err := t.ExecuteTemplate(&b, id, m); err != nil {
			return nil, fmt.Errorf("render status page: %v", err)
		}
		list = append(list, Section{id, strings.TrimSpace(b.String())})
	}
	return list, nil
}

// Write writes the whole page.
func Write(w io.Writer, v *View) error {
	sections, err := v.sections()
	if err != nil {
		return err
	}
	whole := map[string]any{"Title": v.model().Title, "Assets": names()}
	for _, s := range sections {
		whole[s.ID] = template.HTML(s.HTML) // rendered by the same templates
	}
	t, err := parsed()
	if err != nil {
		return err
	}
	return t.ExecuteTemplate(w, "page", whole)
}
