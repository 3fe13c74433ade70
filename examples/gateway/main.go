// Command nono-layer-gateway is the example of a network layer of a vendor's: an HTTP proxy that
// lets an agent reach the hosts that its policy allows. It is written from nono's documentation for
// layers alone, on the standard library's HTTP server.
package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// listener is the proxy's socket in the agent's network namespace. Its name is all that tells it
// from others of this layer.
const listener = "proxy"

type layer struct{}

// Describe implements sdk.Layer.
func (layer) Describe() sdk.Description {
	return sdk.Description{
		Name: "acme/gateway", Version: "1.0.0",
		Kind: policy.KindNetwork, Lifetime: sdk.Resident,
	}
}

// Plan implements sdk.Layer. It asks for a socket inside and says what that is; nono sets the
// variables by which programs find a proxy.
func (layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	network := &req.Policy.Network
	resp := &sdk.PlanResponse{
		Fragment: fragment.Fragment{Steps: []fragment.Step{
			fragment.Listener{Name: listener, Network: fragment.TCP},
		}},
		Facts: []fact.Fact{fact.Proxy{Listener: listener}},
	}
	for _, rule := range network.Hosts {
		resp.Coverage = append(resp.Coverage, sdk.Coverage{
			Rule: rule.ID, Held: sdk.Enforced, By: "the proxy of acme/gateway",
		})
	}
	// What this gateway cannot do it says, and nono refuses a run that asks for it.
	for _, rule := range network.Ports {
		resp.Coverage = append(resp.Coverage, sdk.Coverage{
			Rule: rule.ID, Held: sdk.Unavailable, Why: "acme/gateway carries requests to hosts alone",
		})
	}
	if up := network.Upstream; up != nil {
		resp.Coverage = append(resp.Coverage, sdk.Coverage{
			Rule: up.ID, Held: sdk.Unavailable, Why: "acme/gateway goes out itself",
		})
	}
	return resp, nil
}

// Start implements sdk.Starter. The agent does not exist yet.
func (layer) Start(_ context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	l, err := req.Listeners[listener].Listener()
	if err != nil {
		return nil, fmt.Errorf("taking the socket: %w", err)
	}
	server := &http.Server{
		Handler:           newGateway(policy.NewDecider(&req.Policy), req.Session.Event),
		ReadHeaderTimeout: time.Minute, DisableGeneralOptionsHandler: true,
	}
	go func() {
		// Whatever ends it, nothing goes out any more; the run is told why.
		_ = req.Session.Stop(fmt.Sprintf("the gateway serves no longer: %v", server.Serve(l)))
	}()
	return &sdk.StartResponse{}, nil
}

// Finish implements sdk.Starter. All that Start took ends with the process.
func (layer) Finish(context.Context, *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	return &sdk.FinishResponse{}, nil
}

func main() { sdk.Main(layer{}) }
