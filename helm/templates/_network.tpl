{{/* The port of an address: its own, or that of its scheme. */}}
{{- define "weir.port" -}}
{{- $address := lower (trim .) -}}
{{- $own := regexFind ":[0-9]+$" (regexReplaceAll "^([a-z0-9+.-]+://)?([^/]*).*$" $address "${2}") -}}
{{- if $own -}}
{{- trimPrefix ":" $own -}}
{{- else if hasPrefix "socks" $address -}}
1080
{{- else -}}
{{- ternary "443" "80" (hasPrefix "https://" $address) -}}
{{- end -}}
{{- end -}}

{{/* The ports of the brokers, as JSON: those that the worker is told, and those that they lead to. */}}
{{- define "weir.brokerPorts" -}}
{{- $ports := list -}}
{{- range splitList "," (include "weir.kafka" . | fromYaml).bootstrap -}}
  {{- $ports = append $ports (include "weir.port" .) -}}
{{- end -}}
{{- range .root.Values.networkPolicy.kafka.ports -}}
  {{- $ports = append $ports (toString (int .)) -}}
{{- end -}}
{{- toJson ($ports | uniq | sortAlpha) -}}
{{- end -}}

{{/*
The ports of everything else that a worker asks, as JSON: of each address in its configuration, of Microsoft's services, which
need no address there, and of the proxy in its environment. Those of its own rules are left out: these say where they lead.
*/}}
{{- define "weir.servicePorts" -}}
{{- $config := include "weir.config" . -}}
{{- $addresses := regexFindAll "(?i)https?://[^/\\s\"']+" $config -1 -}}
{{- if regexMatch "(?m)^[ -]*entra:" $config -}}
  {{- $addresses = append $addresses "https://login.microsoftonline.com" -}}
{{- end -}}
{{- range $name, $value := .worker.env -}}
  {{- if and $value (regexMatch "(?i)^(https?|all)_proxy$" $name) -}}
    {{- $addresses = append $addresses $value -}}
  {{- end -}}
{{- end -}}
{{- $ports := list -}}
{{- range $addresses -}}
  {{- $ports = append $ports (include "weir.port" .) -}}
{{- end -}}
{{- range $rule := .worker.egress -}}
  {{- range $own := $rule.ports -}}
    {{- range $port := $ports -}}
      {{- if and (eq ($own.protocol | default "TCP") "TCP") (kindIs "float64" $own.port) (le (int $own.port) (int $port)) (ge (int ($own.endPort | default $own.port)) (int $port)) -}}
        {{- $ports = without $ports $port -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson ($ports | uniq | sortAlpha) -}}
{{- end -}}
